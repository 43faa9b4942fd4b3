// The port to the listings of an App's storage uploads, store by store, over several runs. They count foreign uploads.
import type { StoredUpload } from '../stored.ts'

/** The progress of one listing. */
export interface StorageScan {
  appId: string
  store: string
  keyPrefix: string
  /** Where an unfinished listing goes on. */
  after?: StoredUpload
  foreignSoFar: number
  oldestSoFar?: Date
}

export interface ScansDb {
  /** Claims due listings. Each is postponed to `again`, so that a second sweeper takes others. */
  claim(appId: string, now: Date, again: Date): Promise<StorageScan[]>
  /** Stores the progress. The next run goes on after this upload. */
  advance(scan: StorageScan, after: StoredUpload, now: Date): Promise<void>
  /** Records a complete listing. */
  conclude(scan: StorageScan, now: Date, nextAt: Date): Promise<void>
}
