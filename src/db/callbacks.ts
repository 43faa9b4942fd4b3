// The inbox of store callbacks: written before the answer, bounded for each session, idempotent by the store's request id.
import { sql } from 'drizzle-orm'
import type { CallbacksDb } from '../core/ports/callbacks.ts'
import type { Database } from './connect.ts'
import type { Row } from './row.ts'
import { toSession } from './session-row.ts'
import { instant, json } from './transition.ts'

/** Rows of one session. OSS calls at most five URLs, and a replay adds no row. */
const MAX_ROWS = 20

/** The column's JSON, whose names are older than the port's. */
interface Body {
  object?: string
  size?: string
  etag?: string
  source?: string
}

export function callbacksDb(database: Database): CallbacksDb {
  return {
    async insert({ appId, uploadId, requestId, store, reported, source }, now) {
      const { key: object, sizeBytes, etag } = reported
      const body: Body = { object, size: sizeBytes?.toString(), etag, source }
      const [found] = await database.execute<{
        row: Row | null
        inserted: boolean
        rows: number
      }>(sql`
        with session as (
          select * from uploads where app_id = ${appId} and upload_id = ${uploadId} and store = ${store}),
        earlier as (
          select count(*)::int as rows from callbacks where app_id = ${appId} and upload_id = ${uploadId}),
        inserted as (
          insert into callbacks (app_id, upload_id, request_id, store, body, received_at)
          select ${appId}, ${uploadId}, ${requestId}, ${store}, ${json(body)}, ${instant(now)}
          from session, earlier where earlier.rows < ${MAX_ROWS}
          on conflict do nothing returning 1)
        select (select to_jsonb(session) from session) as row,
          exists (select from inserted) as inserted, (select rows from earlier) as rows`)
      return {
        session: found?.row ? toSession(found.row) : undefined,
        inserted: found?.inserted ?? false,
        rows: found?.rows ?? 0,
      }
    },

    async markProcessed({ appId, uploadId, requestId }, outcome, now) {
      await database.execute(sql`
        update callbacks set processed_at = ${instant(now)}, outcome = ${outcome}
        where app_id = ${appId} and upload_id = ${uploadId} and request_id = ${requestId}
          and processed_at is null`)
    },

    async unprocessed(appId, before, limit, except = []) {
      const rows = await database.execute<{
        upload_id: string
        request_id: string
        store: string
        body: Body
      }>(sql`
        select upload_id, request_id, store, body from callbacks
        where app_id = ${appId} and processed_at is null and received_at <= ${instant(before)}
          and store not in (select jsonb_array_elements_text(${JSON.stringify(except)}::jsonb))
        order by received_at limit ${limit}`)
      return rows.map((row) => ({
        appId,
        uploadId: row.upload_id,
        requestId: row.request_id,
        store: row.store,
        reported: { key: row.body.object, sizeBytes: Number(row.body.size), etag: row.body.etag },
        source: row.body.source,
      }))
    },
  }
}
