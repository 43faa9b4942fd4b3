// How long rows stay after their end, and the months of the event log. Ids are time-ordered, so "older than" is a range of the
// primary key, and retention needs no index of its own.

/** Undefined means for ever. */
export interface Retention {
  sessionDays: number | undefined
  deliveryDays: number | undefined
  eventDays: number | undefined
}

/** Rows are removed in this order, because a session stays while a delivery of it is pending. */
export const OLD_KINDS = ['deliveries', 'sessions', 'grants'] as const
export type OldKind = (typeof OLD_KINDS)[number]

/** A calendar month in UTC, as `2026-11`. */
export type Month = `${number}-${number}`

const DAY_MS = 86_400_000

export const monthOf = (date: Date): Month => date.toISOString().slice(0, 7) as Month

export const startOf = (month: Month): Date => new Date(`${month}-01T00:00:00Z`)

export function monthAfter(month: Month, count = 1): Month {
  const start = startOf(month)
  return monthOf(new Date(Date.UTC(start.getUTCFullYear(), start.getUTCMonth() + count, 1)))
}

export const horizon = (now: Date, days: number): Date => new Date(now.getTime() - days * DAY_MS)

/** The months that ended before the date. */
export const monthsBefore = (months: readonly Month[], before: Date): Month[] =>
  months.filter((month) => startOf(monthAfter(month)) <= before).sort()

/** Ids that were made before the date sort below it, because UUIDv7 begins with the milliseconds. */
export const idBefore = (prefix: string, date: Date): string =>
  `${prefix}_${Math.max(0, date.getTime()).toString(16).padStart(12, '0')}`
