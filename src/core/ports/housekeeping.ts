// What housekeeping needs of the database: removal of what is old, and the event log’s partitions.
import type { Month, OldKind } from '../retention.ts'

/** Removes at most so many rows and says how many. What is still needed stays, however old. */
export type RemoveOld = (appId: string, before: Date, limit: number) => Promise<number>

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
