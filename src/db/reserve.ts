// The reservation: session, quota, grant count and idempotency key in one statement, so that none is taken without the others.
import { sql } from 'drizzle-orm'
import type { NewUpload, Reservation } from '../core/ports.ts'
import { Problem } from '../core/problem.ts'
import type { Database } from './connect.ts'
import { toSession, type UploadRow } from './session-row.ts'
import { instant, json } from './transition.ts'

/** Seconds after which the sweep looks at a session that never got open. */
const INITIATING_SECONDS = 60

/** Throws `quota-exceeded`, `grant-exhausted` or `grant-revoked`; nothing is taken then. */
export async function reserve(
  database: Database,
  upload: NewUpload,
  now: Date,
): Promise<Reservation> {
  try {
    return { kind: 'reserved', session: await insert(database, upload, now) }
  } catch (error) {
    const cause = postgresError(error)
    const refused = cause?.code === 'CS001'
    const isTaken = cause?.code === '23505' && cause.constraint_name === 'uploads_idempotency'
    if (!refused && !isTaken) throw error
    // A repeat of what took the last of the quota is answered like any other.
    const first = await findFirst(database, upload)
    if (first) return { kind: 'repeated', session: first, requestHash: first.requestHash }
    throw refused ? refusal(cause.message ?? '') : error
  }
}

/** The session that the Idempotency-Key made; none for a grant that was revoked since. */
async function findFirst(database: Database, upload: NewUpload) {
  if (upload.idempotencyKey === undefined) return undefined
  const [found] = await database.execute<{ row: UploadRow }>(sql`
    select to_jsonb(u) as row from uploads u
    where app_id = ${upload.appId} and subject = ${upload.subject}
      and credential = ${upload.credential} and idempotency_key = ${upload.idempotencyKey}
      and not exists (select from grants
        where app_id = ${upload.appId} and grant_id = ${upload.grantId ?? null}
          and revoked_at is not null)`)
  return found && toSession(found.row)
}

async function insert(database: Database, upload: NewUpload, now: Date) {
  const { appId, subject, plan, quota, grantId, reservedBytes } = upload
  const day = upload.createdAt.toISOString().slice(0, 10)
  // A day that has begun for one process has begun for all: clocks that differ must not count it from nothing again.
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
  const [found] = await database.execute<{ row: UploadRow | null }>(sql`
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
        app_id, upload_id, subject, credential, grant_id, policy_name, policy, state, method, store,
        object_key, filename, content_type, size_bytes, part_size_bytes, part_count, max_part_count,
        reserved_bytes, fingerprint, checksum, metadata, processing, generation, idempotency_key, request_hash,
        created_at, active_at, expires_at, lease_until, sweep_at)
      select ${appId}, ${upload.id}, ${subject}, ${upload.credential}, ${grantId ?? null},
        ${upload.policyName}, ${json(upload.policy)}, 'initiating', ${upload.method}, ${upload.store},
        ${upload.key}, ${upload.filename}, ${upload.contentType}, ${plan.sizeBytes}::bigint,
        ${plan.partSizeBytes}::bigint, ${plan.partCount}::int,
        ${plan.partCount === null ? plan.maxPartCount : null}::int, ${reservedBytes}::bigint,
        ${upload.fingerprint ?? null}, ${upload.checksum ?? null}, ${json(upload.metadata)},
        ${json(upload.processing)}, ${upload.generation}::int, ${upload.idempotencyKey ?? null}, ${upload.requestHash ?? null},
        ${instant(upload.createdAt)}, ${instant(upload.activeAt)}, ${instant(upload.expiresAt)},
        ${instant(upload.leaseUntil)}, ${instant(new Date(now.getTime() + INITIATING_SECONDS * 1000))}
      where exists (select from counted) and exists (select from used)
      returning *)
    select case
      when not exists (select from counted) then countersign_refuse('grant')
      when not exists (select from used) then countersign_refuse('quota') end,
      (select to_jsonb(reserved) from reserved) as row`)
  if (!found?.row) throw new Error('The reservation answered no row')
  return toSession(found.row)
}

function refusal(reason: string): Problem {
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

/** drizzle wraps what the driver throws. */
export function postgresError(error: unknown): PostgresError | undefined {
  const cause = error instanceof Error && error.cause ? error.cause : error
  return cause instanceof Error ? (cause as PostgresError) : undefined
}
