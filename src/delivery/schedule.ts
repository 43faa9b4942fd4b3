// When an attempt is made again, and when a store is asked about what it works on. Pure.

/** Seconds after the first and each further failed attempt; after the last one the delivery has failed. */
export const RETRY_SECONDS = [
  5, 60, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400,
] as const

const JITTER = 0.2
const POLL_SECONDS = { least: 30, most: 900 }
/** What has taken long may take longer: the next look comes after a tenth of the time so far. */
const POLL_SHARE = 10

const after = (now: Date, seconds: number) => new Date(now.getTime() + seconds * 1000)

/** After an attempt that `earlier` ones came before; undefined after the last. `random` is a byte. */
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
