// Bounds what is read before a signature can be checked, because anybody can send it. A verified upload has no deadline,
// only an idle time-out, because a bad network may be slow as long as it makes progress.
import { refusal } from './refusal.ts'

export interface StoreLimits {
  /** For all headers of a request. */
  headersMs: number
  /** For the fields of a form, or the body of a call to STS: without them the signature cannot be checked. */
  unverifiedMs: number
  /** How many of these are read at the same time. */
  unverifiedAtOnce: number
  /** For the rest of a refused body, so that its client can read the answer. */
  drainMs: number
}

export const STORE_LIMITS: StoreLimits = {
  headersMs: 30_000,
  unverifiedMs: 30_000,
  unverifiedAtOnce: 32,
  drainMs: 10_000,
}

export type ReadUnverified = <T>(read: () => Promise<T>) => Promise<T>

/** The returned function throws RequestTimeout and ServiceUnavailable. Both close the connection. */
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
