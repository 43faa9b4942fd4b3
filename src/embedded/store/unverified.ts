// Bounds what is read before a signature can be checked: anybody can send it. A verified upload has no deadline, only an
// idle time-out, because a bad network may be slow for as long as it gets on.
import { refusal } from './refusal.ts'

export interface StoreLimits {
  /** For all headers of a request. */
  headersMs: number
  /** For what comes before the signature can be checked: the fields of a form, the body of a call to STS. */
  unverifiedMs: number
  /** How many of those are read at once. */
  unverifiedAtOnce: number
  /** For the rest of a refused body, so that its client gets to read the answer. */
  drainMs: number
}

export const STORE_LIMITS: StoreLimits = {
  headersMs: 30_000,
  unverifiedMs: 30_000,
  unverifiedAtOnce: 32,
  drainMs: 10_000,
}

export type ReadUnverified = <T>(read: () => Promise<T>) => Promise<T>

/** Returns a function that throws RequestTimeout and ServiceUnavailable; both close the connection. */
export function unverifiedReader(limits: StoreLimits): ReadUnverified {
  let running = 0

  return async function readUnverified(read) {
    if (running >= limits.unverifiedAtOnce) throw refusal('ServiceUnavailable', CLOSE)
    running++
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(refusal('RequestTimeout', CLOSE)), limits.unverifiedMs)
    })
    try {
      return await Promise.race([read(), late])
    } finally {
      clearTimeout(timer)
      running--
    }
  }
}

const CLOSE = { headers: { connection: 'close' } }
