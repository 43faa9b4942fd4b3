// The progress of listing each app's storage uploads, store by store, and what the last complete listing counted.
import { sql } from 'drizzle-orm'
import type { ScansDb, StorageScan } from '../core/ports/scans.ts'
import type { StoredUpload } from '../core/stored.ts'
import type { Database } from './connect.ts'
import { instant, json } from './transition.ts'

interface ScanRow extends Record<string, unknown> {
  store: string
  key_prefix: string
  marker: StoredUpload | null
  foreign_so_far: number
  oldest_so_far: string | null
}

export const scansDb = (database: Database): ScansDb => ({
  async claim(appId, now, again) {
    const rows = await database.execute<ScanRow>(sql`
      update storage_scans s set next_at = ${instant(again)}
      from apps a
      where s.app_id = ${appId} and a.app_id = s.app_id and s.next_at <= ${instant(now)}
      returning s.store, a.key_prefix, s.marker, s.foreign_so_far, s.oldest_so_far`)
    return rows.map(
      (row): StorageScan => ({
        appId,
        store: row.store,
        keyPrefix: row.key_prefix,
        after: row.marker ?? undefined,
        foreignSoFar: row.foreign_so_far,
        oldestSoFar: row.oldest_so_far ? new Date(row.oldest_so_far) : undefined,
      }),
    )
  },

  async advance({ appId, store, foreignSoFar, oldestSoFar }, after, now) {
    await database.execute(sql`
      update storage_scans set marker = ${json(after)}, foreign_so_far = ${foreignSoFar},
        oldest_so_far = ${instant(oldestSoFar)}, next_at = ${instant(now)}
      where app_id = ${appId} and store = ${store}`)
  },

  async conclude({ appId, store, foreignSoFar, oldestSoFar }, now, nextAt) {
    await database.execute(sql`
      update storage_scans set marker = null, foreign_so_far = 0, oldest_so_far = null,
        scanned_at = ${instant(now)}, foreign_uploads = ${foreignSoFar},
        oldest_foreign_at = ${instant(oldestSoFar)}, next_at = ${instant(nextAt)}
      where app_id = ${appId} and store = ${store}`)
  },
})
