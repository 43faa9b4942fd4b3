// The table behind the sweep's listings of storage uploads.
import { index, integer, jsonb, pgTable, primaryKey, text } from 'drizzle-orm/pg-core'
import { appId, at } from './tenant.ts'

/** The progress of listing an app's storage uploads in one store, and the counts of the last complete listing. */
export const storageScans = pgTable(
  'storage_scans',
  {
    appId: appId(),
    store: text('store').notNull(),
    nextAt: at('next_at').notNull(),
    /** Where an unfinished listing goes on. */
    marker: jsonb('marker').$type<{ key: string; storageUploadId: string }>(),
    foreignSoFar: integer('foreign_so_far').notNull().default(0),
    oldestSoFar: at('oldest_so_far'),
    /** Of the last whole listing. */
    scannedAt: at('scanned_at'),
    foreignUploads: integer('foreign_uploads').notNull().default(0),
    oldestForeignAt: at('oldest_foreign_at'),
  },
  (table) => [
    primaryKey({ columns: [table.appId, table.store] }),
    // Due listings.
    index('storage_scans_due').on(table.appId, table.nextAt),
  ],
)
