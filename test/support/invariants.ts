// Invariants of every session, checked in the database and the store after any race, loss or repetition.
import postgres from 'postgres'
import { expect } from 'vitest'
import type { Harness } from './harness.ts'

const TERMINAL = ['completed', 'aborted', 'expired', 'failed']

export async function query(harness: Harness, text: string, parameters: unknown[] = []) {
  const sql = postgres(harness.databaseUrl, { max: 1 })
  try {
    return await sql.unsafe(text, parameters as never[])
  } finally {
    await sql.end()
  }
}

/**
 * `open` counts sessions that have not ended, `reserved` sums those whose storage is not released, `settled` sums what was
 * completed. A grant counts what it has used.
 */
export async function expectExactQuota(harness: Harness): Promise<void> {
  const wrong = await query(
    harness,
    `select usage.app_id, usage.subject, to_jsonb(usage) as usage, is_open, is_reserved, is_settled
     from usage join lateral (
       select count(*) filter (where state in ('initiating', 'open', 'completing')) as is_open,
         coalesce(sum(reserved_bytes) filter (where storage_released_at is null), 0) as is_reserved,
         coalesce(sum((object->>'sizeBytes')::bigint) filter (where state = 'completed'), 0) as is_settled
       from uploads u where u.app_id = usage.app_id and u.subject = usage.subject) truth on true
     where (open_uploads, usage.reserved_bytes, settled_bytes) is distinct from (is_open, is_reserved, is_settled)`,
  )
  expect(wrong).toEqual([])
  // A session that never began uses nothing of its grant. A completed one uses the size that was stored.
  const wrongGrants = await query(
    harness,
    `select g.grant_id, used_uploads, used_bytes, uploads, bytes
     from grants g join lateral (
       select count(*) as uploads, coalesce(sum(
         case when state = 'completed' then (object->>'sizeBytes')::bigint else reserved_bytes end), 0) as bytes
       from uploads u where u.app_id = g.app_id and u.grant_id = g.grant_id
         and not (state = 'failed' and revision = 1)) truth on true
     where (used_uploads, used_bytes) is distinct from (uploads, bytes)`,
  )
  expect(wrongGrants).toEqual([])
}

/** Sweeps until there is nothing left to release, moving the clock past late URLs, credentials and leases. */
export async function settle(harness: Harness): Promise<void> {
  for (const minutes of [2, 2, 20, 2, 80, 2, 2]) {
    harness.advance({ minutes })
    await harness.sweep()
  }
}

/**
 * The session has one terminal state and one event, with one id and the same bytes for every endpoint. The store holds the
 * session's own object or nothing of it.
 */
export async function expectOneOutcome(
  harness: Harness,
  app: { id: string },
  uploadId: string,
  state: string,
): Promise<void> {
  const session = await harness.services.uploads.find(app.id, uploadId)
  expect(session).toMatchObject({ id: uploadId, state })
  const events = await query(
    harness,
    'select type, event_id, body, revision from upload_events where app_id = $1 and upload_id = $2 order by revision',
    [app.id, uploadId],
  )
  const ended = events.filter(({ type }) => TERMINAL.includes(type.replace('upload.', '')))
  expect(ended.map(({ type }) => type)).toEqual(TERMINAL.includes(state) ? [`upload.${state}`] : [])
  const deliveries = await query(
    harness,
    'select type, event_id, body, endpoint_id from deliveries where app_id = $1 and upload_id = $2 order by delivery_id',
    [app.id, uploadId],
  )
  const endpoints = new Set(deliveries.map(({ endpoint_id }) => endpoint_id))
  expect(endpoints.size).toBeGreaterThan(0)
  for (const endpoint of endpoints) {
    const owed = deliveries.filter(({ endpoint_id }) => endpoint_id === endpoint)
    expect(owed.map(({ event_id, body }) => [event_id, body])).toEqual(
      events.map(({ event_id, body }) => [event_id, body]),
    )
  }
  const store = harness.services.storeNamed(session!.store)
  const object = await store.head(session!.key)
  if (state === 'completed') {
    expect(object).toMatchObject({
      uploadId,
      sizeBytes: session!.object!.sizeBytes,
      etag: session!.object!.etag,
    })
  } else if (TERMINAL.includes(state)) {
    expect(object?.uploadId).not.toBe(uploadId)
  }
  await expectExactQuota(harness)
}

/** Under this key, the store holds only what living sessions own. */
export async function expectNoOrphans(
  harness: Harness,
  key: string,
  living: readonly (string | undefined)[] = [],
): Promise<void> {
  const left = await harness.services.storeNamed('default').listUploads(key)
  expect(left.map(({ storageUploadId }) => storageUploadId).sort()).toEqual([...living].sort())
}
