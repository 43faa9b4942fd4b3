// The listing of an App's storage uploads in one store, page by page over several runs: what is not ours is counted.
import type { StoredUpload } from '../stored.ts'

/** Where the listing of an App's storage uploads in one store stands. */
export interface StorageScan {
  appId: string
  store: string
  keyPrefix: string
  /** Where an unfinished listing goes on, and what it has counted so far. */
  after?: StoredUpload
  foreignSoFar: number
  oldestSoFar?: Date
}

export interface ScansDb {
  /** Listings that are due, each put off so that a second sweeper takes others. */
  claim(appId: string, now: Date, again: Date): Promise<StorageScan[]>
  /** More is to be listed: the next run goes on there. */
  advance(scan: StorageScan, after: StoredUpload, now: Date): Promise<void>
  /** The whole listing is through. */
  conclude(scan: StorageScan, now: Date, nextAt: Date): Promise<void>
}
