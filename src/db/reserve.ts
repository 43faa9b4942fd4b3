// Reserves an upload: session, quota, grant count and Idempotency-Key in one statement, so that none is taken alone.
import { sql } from 'drizzle-orm'
import {
  type IdempotentRequest,
  keysExpireBefore,
  type NewUpload,
  type Reservation,
} from '../core/ports/uploads.ts'
import { Problem } from '../core/problem.ts'
import type { Database } from './connect.ts'
import type { Row } from './row.ts'
import { toSession } from './session-row.ts'
import { instant, json } from './transition.ts'

/** After this long, the sweep looks at a session that is still initiating. */
const INITIATING_SECONDS = 60

/** Throws `quota-exceeded`, `grant-exhausted` or `grant-revoked`, and then takes nothing. */
export async function reserve(
  database: Database,
  upload: NewUpload,
  now: Date,
): Promise<Reservation> {
  try {
    return { kind: 'reserved', session: await insert(database, upload, now) }
  } catch (error) {
    const cause = postgresError(error)
    if (cause?.code !== REFUSED) throw error
    // The first request may have used up the quota. Its repeat still gets the same session.
    return (await findFirst(database, upload, now)) ?? Promise.reject(refusal(cause.message ?? ''))
  }
}

/** The error code of countersign_refuse(). */
const REFUSED = 'CS001'

/** Finds the session that the Idempotency-Key belongs to; none if the grant has been revoked since. */
async function findFirst(
  database: Database,
  { idempotent, grantId }: NewUpload,
  now: Date,
): Promise<Extract<Reservation, { kind: 'repeated' }> | undefined> {
  if (!idempotent) return undefined
  const { appId, subject, credential, key } = idempotent
  const [found] = await database.execute<{ row: Row; request_hash: string }>(sql`
    select to_jsonb(u) as row, k.request_hash
    from idempotency_keys k join uploads u on u.app_id = ${appId} and u.upload_id = k.upload_id
    where k.app_id = ${appId} and k.subject = ${subject} and k.credential = ${credential}
      and k.idempotency_key = ${key} and k.created_at >= ${instant(keysExpireBefore(now))}
      and not exists (select from grants
        where app_id = ${appId} and grant_id = ${grantId ?? null} and revoked_at is not null)`)
  if (!found) return undefined
  return { kind: 'repeated', session: toSession(found.row), requestHash: found.request_hash }
}

/** Replaces an expired key. Returns no row if the key belongs to a session already. */
const insertKey = (
  { appId, subject, credential, key, requestHash }: IdempotentRequest,
  uploadId: string,
  now: Date,
) => sql`
      insert into idempotency_keys
        (app_id, subject, credential, idempotency_key, upload_id, request_hash, created_at)
      select ${appId}, ${subject}, ${credential}, ${key}, ${uploadId}, ${requestHash}, ${instant(now)}
      on conflict (app_id, subject, credential, idempotency_key) do update set
        upload_id = excluded.upload_id, request_hash = excluded.request_hash, created_at = excluded.created_at
      where idempotency_keys.created_at < ${instant(keysExpireBefore(now))}
      returning 1`

/** Stores a key for an existing session. Returns false if it belongs to a session already, even to this one. */
export async function storeKey(
  database: Database,
  request: IdempotentRequest,
  uploadId: string,
  now: Date,
): Promise<boolean> {
  return (await database.execute(insertKey(request, uploadId, now))).length > 0
}

async function insert(database: Database, upload: NewUpload, now: Date) {
  const { appId, subject, plan, quota, grantId, reservedBytes } = upload
  const day = upload.createdAt.toISOString().slice(0, 10)
  // The day never goes back, so that a process with a slow clock does not restart its count.
  const limit = {
    open: quota.openUploads ?? null,
    bytes: quota.bytes ?? null,
    day: quota.bytesPerDay ?? null,
  }
  const counted = grantId
    ? sql`counted as (
        update grants set used_uploads = used_uploads + 1, used_bytes = used_bytes + ${reservedBytes}::bigint
        where app_id = ${appId} and grant_id = ${grantId} and revoked_at is null
          and (max_uploads is null or used_uploads < max_uploads)
          and (max_bytes is null or used_bytes + ${reservedBytes}::bigint <= max_bytes)
        returning 1),`
    : sql`counted as (select 1),`
  const [found] = await database.execute<{ row: Row | null }>(sql`
    with ${counted}
    used as (
      insert into usage (app_id, subject, open_uploads, reserved_bytes, settled_bytes, day, day_bytes)
      select ${appId}, ${subject}, 1, ${reservedBytes}::bigint, 0, ${day}, ${reservedBytes}::bigint
      where exists (select from counted) and coalesce(${limit.open}::int >= 1, true)
        and coalesce(${limit.bytes}::bigint >= ${reservedBytes}::bigint, true)
        and coalesce(${limit.day}::bigint >= ${reservedBytes}::bigint, true)
      on conflict (app_id, subject) do update set
        open_uploads = usage.open_uploads + 1,
        reserved_bytes = usage.reserved_bytes + ${reservedBytes}::bigint,
        day = greatest(usage.day, ${day}),
        day_bytes = case when usage.day >= ${day} then usage.day_bytes else 0 end + ${reservedBytes}::bigint
      where coalesce(usage.open_uploads < ${limit.open}::int, true)
        and coalesce(usage.reserved_bytes + usage.settled_bytes + ${reservedBytes}::bigint
          <= ${limit.bytes}::bigint, true)
        and coalesce(case when usage.day >= ${day} then usage.day_bytes else 0 end + ${reservedBytes}::bigint
          <= ${limit.day}::bigint, true)
      returning 1),
    reserved as (
      insert into uploads (
        app_id, upload_id, subject, credential, grant_id, issuer_id, issuer_subject, policy_name, policy, state, method, store,
        object_key, filename, content_type, size_bytes, part_size_bytes, part_count, max_part_count,
        reserved_bytes, fingerprint, checksum, metadata, processing, generation, created_at, active_at, expires_at, lease_until, sweep_at)
      select ${appId}, ${upload.id}, ${subject}, ${upload.credential}, ${grantId ?? null},
        ${upload.issuerId ?? null}, ${upload.issuerSubject ?? null}, ${upload.policyName}, ${json(upload.policy)}, 'initiating', ${upload.method}, ${upload.store},
        ${upload.key}, ${upload.filename}, ${upload.contentType}, ${plan.sizeBytes}::bigint,
        ${plan.partSizeBytes}::bigint, ${plan.partCount}::int,
        ${plan.partCount === null ? plan.maxPartCount : null}::int, ${reservedBytes}::bigint,
        ${upload.fingerprint ?? null}, ${upload.checksum ?? null}, ${json(upload.metadata)},
        ${json(upload.processing)}, ${upload.generation}::int,
        ${instant(upload.createdAt)}, ${instant(upload.activeAt)}, ${instant(upload.expiresAt)},
        ${instant(upload.leaseUntil)}, ${instant(new Date(now.getTime() + INITIATING_SECONDS * 1000))}
      where exists (select from counted) and exists (select from used)
      returning *),
    stored_key as (${upload.idempotent ? insertKey(upload.idempotent, upload.id, now) : sql`select 1`})
    select case
      when not exists (select from counted) then countersign_refuse('grant')
      when not exists (select from used) then countersign_refuse('quota')
      when not exists (select from stored_key) then countersign_refuse('key') end,
      (select to_jsonb(reserved) from reserved) as row`)
  if (!found?.row) throw new Error('The reservation answered no row')
  return toSession(found.row)
}

function refusal(reason: string): Problem {
  if (reason === 'key') {
    return new Problem('idempotency-conflict', {
      detail: 'Another request with this Idempotency-Key has just ended. Repeat this one.',
      retryAfterSeconds: 1,
    })
  }
  if (reason === 'quota') {
    return new Problem('quota-exceeded', {
      detail:
        'The subject has reached its limit of open uploads or bytes. Complete or abort an upload, or try again later.',
    })
  }
  return new Problem('grant-exhausted', {
    detail: 'The grant’s uploads or bytes are used up. Ask the app for a new grant.',
  })
}

interface PostgresError {
  code?: string
  message?: string
  constraint_name?: string
}

/** Unwraps an error of the driver, which drizzle wraps. */
export function postgresError(error: unknown): PostgresError | undefined {
  const cause = error instanceof Error && error.cause ? error.cause : error
  return cause instanceof Error ? (cause as PostgresError) : undefined
}
