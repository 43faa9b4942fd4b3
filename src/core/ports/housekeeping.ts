// Housekeeping's ports to the database: it removes old rows and maintains the event log's partitions.
import type { Month, OldKind } from '../retention.ts'

/** Removes at most `limit` rows and returns how many. Rows that are still needed stay, however old. */
type RemoveOld = (appId: string, before: Date, limit: number) => Promise<number>

/**
 * A delivery goes with its attempts, unless it is unfinished or was tried since. A session goes with its callbacks, unless its
 * storage is not released or a delivery of it is unfinished. A grant goes unless one of its sessions is unfinished.
 */
export type RetentionDb = Record<OldKind, RemoveOld>

/** Finds the work over all apps, in one statement each. */
export interface HousekeepingDueDb {
  /** Apps with rows that `RetentionDb` would remove, oldest rows first. A kind without a date stays for ever. */
  old(
    before: Partial<Record<OldKind, Date>>,
    limit: number,
  ): Promise<Array<{ appId: string; kinds: OldKind[] }>>
  /** Months of events that were written while their month had no partition, with each app of them; oldest first. */
  strays(): Promise<Array<{ appId: string; month: Month }>>
  /** Those of these months with events of a session whose storage is not released. */
  needed(months: readonly Month[]): Promise<Month[]>
}

export interface EventLogDb {
  /** Months that have a partition. */
  months(): Promise<Month[]>
  /**
   * Makes a month's partition and moves these apps' events of that month into it. Returns false, for a later run to repeat, if
   * another process changes the log or an event was written meanwhile.
   */
  addMonth(month: Month, strays: readonly string[]): Promise<boolean>
  /** Returns false if another process changes the log. */
  dropMonth(month: Month): Promise<boolean>
}
