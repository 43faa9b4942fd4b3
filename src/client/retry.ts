// When to try again: network failures and overload, with growing pauses and full jitter; never a definite no.
import { ApiProblem } from './api.ts'

const BASE_MS = 300
const MOST_MS = 20_000
export const MOST_TRIES = 8

const RETRIED = new Set([408, 425, 429, 500, 502, 503, 504])

export const isRetried = (status: number): boolean => RETRIED.has(status)

/** Milliseconds before try `attempt` (1 is the first repetition); `random` is in [0, 1). */
export const pauseMs = (attempt: number, random: number, retryAfterSeconds?: number): number =>
  Math.max(
    (retryAfterSeconds ?? 0) * 1000,
    Math.floor(random * Math.min(MOST_MS, BASE_MS * 2 ** attempt)),
  )

/** Resolves after the pause, or rejects as soon as the signal aborts. */
export function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer)
      reject(signal?.reason)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop)
      resolve()
    }, milliseconds)
    if (signal?.aborted) stop()
    else signal?.addEventListener('abort', stop, { once: true })
  })
}

/** Repeats a call of the service until it answers, or says a definite no. */
export async function persist<Value>(
  run: () => Promise<Value>,
  signal?: AbortSignal,
): Promise<Value> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await run()
    } catch (error) {
      const definite = error instanceof ApiProblem && !isRetried(error.status)
      if (definite || signal?.aborted || attempt >= MOST_TRIES) throw error
      const after = error instanceof ApiProblem ? error.retryAfterSeconds : undefined
      await pause(pauseMs(attempt, Math.random(), after), signal)
    }
  }
}
