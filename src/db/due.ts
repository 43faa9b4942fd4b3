// The sweep's queries, each within one app; apps-due.ts finds the apps.
import { sql } from 'drizzle-orm'
import { keysExpireBefore, type UploadsDb } from '../core/ports/uploads.ts'
import { appsWithDue } from './apps-due.ts'
import type { Database } from './connect.ts'
import type { Row } from './row.ts'
import { toSession } from './session-row.ts'
import { instant } from './transition.ts'

export const dueDb = (database: Database) =>
  ({
    // A claim postpones its rows, so that two sweepers take different ones. The first condition is the partial index's.
    async claimDue(appId, now, again, limit) {
      const rows = await database.execute<{ row: Row }>(sql`
      with due as (
        select app_id, upload_id, sweep_at as due_at from uploads
        where app_id = ${appId} and (storage_released_at is null or leftovers_at is not null)
          and sweep_at <= ${instant(now)}
        order by sweep_at limit ${limit} for update skip locked),
      claimed as (
        update uploads u set sweep_at = ${instant(again)}
        from due where u.app_id = ${appId} and due.app_id = u.app_id and due.upload_id = u.upload_id
        returning to_jsonb(u) as row, due_at)
      select row from claimed order by due_at`)
      return rows.map(({ row }) => toSession(row))
    },

    // Skips a session that ended or began a direct completion since it was read: that change set a time of its own.
    async scheduleSweep({ appId, id, state, attemptAt }, at) {
      await database.execute(sql`
      update uploads set sweep_at = ${instant(at)}
      where app_id = ${appId} and upload_id = ${id} and state = ${state}
        and attempt_at is not distinct from ${instant(attemptAt)}`)
    },

    async hastenSweep({ appId, id }, now) {
      await database.execute(sql`
      update uploads set sweep_at = ${instant(now)}
      where app_id = ${appId} and upload_id = ${id} and state = 'open' and sweep_at > ${instant(now)}`)
    },

    async clearLeftovers({ appId, id, leftoversAt }) {
      await database.execute(sql`
      update uploads set leftovers_at = null
      where app_id = ${appId} and upload_id = ${id} and state = 'completed'
        and leftovers_at = ${instant(leftoversAt)}`)
    },

    async findOwners(appId, store, uploads, ids = []) {
      const listed = JSON.stringify(uploads.map(({ storageUploadId }) => storageUploadId))
      const rows = await database.execute<{ row: Row }>(sql`
      select to_jsonb(u) as row from uploads u
      where app_id = ${appId} and store = ${store}
        and upload_id in (select jsonb_array_elements_text(${JSON.stringify(ids)}::jsonb))
      union
      select to_jsonb(u) from uploads u
      where app_id = ${appId} and store = ${store} and storage_released_at is null
        and storage_upload_id in (select jsonb_array_elements_text(${listed}::jsonb))`)
      return rows.map(({ row }) => toSession(row))
    },

    async forgetIdempotencyKeys(appId, now) {
      await database.execute(sql`
      delete from idempotency_keys
      where app_id = ${appId} and created_at < ${instant(keysExpireBefore(now))}`)
    },

    appsWithDueWork: (now) => appsWithDue(database, ['sessions', 'callbacks', 'scans'], now),
  }) satisfies Partial<UploadsDb>
