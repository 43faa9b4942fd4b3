// Retries network failures and overload, with growing pauses and full jitter, but never a definite refusal.
import { ApiProblem } from './api.ts'

const BASE_MS = 300
const MAX_PAUSE_MS = 20_000
export const MAX_ATTEMPTS = 8

const RETRYABLE = new Set([408, 425, 429, 500, 502, 503, 504])

export const isRetryable = (status: number): boolean => RETRYABLE.has(status)

/** The pause before retry number `attempt`, which counts from 1. `random` is in [0, 1). */
export const pauseMs = (attempt: number, random: number, retryAfterSeconds?: number): number =>
  Math.max(
    (retryAfterSeconds ?? 0) * 1000,
    Math.floor(random * Math.min(MAX_PAUSE_MS, BASE_MS * 2 ** attempt)),
  )

/** Resolves after the pause. Rejects as soon as the signal aborts. */
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

/** Repeats a call of the service until it answers or definitely refuses, at most MAX_ATTEMPTS times. */
export async function persist<Value>(
  run: () => Promise<Value>,
  signal?: AbortSignal,
): Promise<Value> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await run()
    } catch (error) {
      const problem = error instanceof ApiProblem ? error : undefined
      const isRefused = problem && !isRetryable(problem.status)
      if (isRefused || signal?.aborted || attempt >= MAX_ATTEMPTS) throw error
      await pause(pauseMs(attempt, Math.random(), problem?.retryAfterSeconds), signal)
    }
  }
}
