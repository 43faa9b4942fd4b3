// How long rows are kept after their end, and the months that the event log is cut into. Ids are time-ordered, so
// "older than" is a range of the primary key: what is oldest goes first, and no index is there for retention alone.

/** Undefined: for ever. */
export interface Retention {
  sessionDays: number | undefined
  deliveryDays: number | undefined
  eventDays: number | undefined
}

/** Removes at most so many rows and says how many. What is still needed stays, however old. */
export type RemoveOld = (appId: string, before: Date, limit: number) => Promise<number>

/** What goes row by row, in this order: a session may be owed a delivery. */
export const OLD_KINDS = ['deliveries', 'sessions', 'grants'] as const
export type OldKind = (typeof OLD_KINDS)[number]

/**
 * Deliveries go with their attempts, but for those that are still owed, or were tried again since. Sessions go with their
 * inbox, but for those whose storage is not released, or that are owed a delivery. Grants go but for the credential of an
 * unfinished session.
 */
export type RetentionDb = Record<OldKind, RemoveOld>

/** What there is to do, of all apps: each question is one statement, and its answer says whose rows to look at. */
export interface HousekeepingDueDb {
  /** Apps that have rows which `RetentionDb` would remove; the oldest rows first. A kind without a date is kept for ever. */
  old(
    before: Partial<Record<OldKind, Date>>,
    limit: number,
  ): Promise<Array<{ appId: string; kinds: OldKind[] }>>
  /** Months of events that had no partition when they were written, and each app that has some; the oldest first. */
  strays(): Promise<Array<{ appId: string; month: Month }>>
  /** Of these months, those in which a session has events whose storage is not released. */
  needed(months: readonly Month[]): Promise<Month[]>
}

export interface EventLogDb {
  /** Months that have a partition of their own. */
  months(): Promise<Month[]>
  /**
   * Makes a month's partition and moves the strays of these apps into it. Answers false where another process is at it,
   * or an event was written meanwhile: it is for the next run then.
   */
  addMonth(month: Month, strays: readonly string[]): Promise<boolean>
  /** Answers false where another process is at it. */
  dropMonth(month: Month): Promise<boolean>
}

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

/** Months that ended before the horizon: whole ones only. */
export const monthsBefore = (months: readonly Month[], before: Date): Month[] =>
  months.filter((month) => startOf(monthAfter(month)) <= before).sort()

/** Every id with this prefix that was made before the date sorts below it (UUIDv7 begins with the milliseconds). */
export const idBefore = (prefix: string, date: Date): string =>
  `${prefix}_${Math.max(0, date.getTime()).toString(16).padStart(12, '0')}`
