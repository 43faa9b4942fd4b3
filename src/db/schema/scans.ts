// The table behind the sweep's listing of storage uploads: where it stands and what it counted.
import { index, integer, jsonb, pgTable, primaryKey, text } from 'drizzle-orm/pg-core'
import { appId, at } from './tenant.ts'

/** Where the listing of an app's storage uploads in one store stands, and what the last whole one counted. */
export const storageScans = pgTable(
  'storage_scans',
  {
    appId: appId(),
    store: text('store').notNull(),
    nextAt: at('next_at').notNull(),
    /** Where an unfinished listing goes on, and what it has counted so far. */
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
    // Which app's storage is to be listed.
    index('storage_scans_due').on(table.appId, table.nextAt),
  ],
)
