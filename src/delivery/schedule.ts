// The times of retries and polls. Pure.

/** Seconds after each failed attempt until the next. After the last, the delivery has failed. */
export const RETRY_SECONDS = [
  5, 60, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400,
] as const

const JITTER = 0.2
const POLL_SECONDS = { least: 30, most: 900 }
/** A poll waits for a tenth of the time that the task has taken so far, because slow tasks tend to stay slow. */
const POLL_SHARE = 10

const after = (now: Date, seconds: number) => new Date(now.getTime() + seconds * 1000)

/** `earlier` counts the attempts before the one that failed. Undefined after the last. `random` is a byte. */
export function retryAt(earlier: number, now: Date, random: number): Date | undefined {
  const seconds = RETRY_SECONDS[earlier]
  return seconds === undefined ? undefined : after(now, seconds * (1 + (JITTER * random) / 255))
}

export function pollAt(since: Date, until: Date, now: Date): Date {
  const age = (now.getTime() - since.getTime()) / 1000
  const wait = Math.min(POLL_SECONDS.most, Math.max(POLL_SECONDS.least, age / POLL_SHARE))
  const next = after(now, wait)
  return next < until ? next : until
}
