// Upload sessions in Postgres: each method is one statement, and each transition is guarded by the state it starts from.
import { and, eq, lt, type SQL, sql } from 'drizzle-orm'
import { POLICY_DEFAULTS } from '../core/policy.ts'
import type { UploadsDb } from '../core/ports.ts'
import {
  ATTEMPT_WINDOW_MS,
  statesBefore,
  type UploadSession,
  type UploadState,
} from '../core/upload-session.ts'
import type { Database } from './connect.ts'
import { reserve } from './reserve.ts'
import { uploads } from './schema.ts'
import { toSession, type UploadRow } from './session-row.ts'
import { instant, json, transition } from './transition.ts'

const among = (states: readonly UploadState[]): SQL =>
  sql`state in (${sql.join(
    states.map((state) => sql`${state}`),
    sql`, `,
  )})`

const after = (date: Date, milliseconds: number) => new Date(date.getTime() + milliseconds)

/** A single PUT may have arrived without a word from the client, so it is looked for when its URL has ended. */
const SINGLE_SWEEP_MS = 16 * 60_000

/** When the sweep looks at an open session next: at its idle end. */
const openSweepAt = ({ method, policy }: UploadSession, now: Date): SQL =>
  instant(
    after(
      now,
      method !== 'multipart'
        ? SINGLE_SWEEP_MS
        : 1000 * (policy.idleSeconds ?? POLICY_DEFAULTS.idleSeconds),
    ),
  )

/** Guard of abort and expiry: the store may still be at an attempt that began within the window. */
const noRecentAttempt = (now: Date): SQL =>
  sql`(attempt_at is null or attempt_at < ${instant(after(now, -ATTEMPT_WINDOW_MS))})`

export function uploadsDb(database: Database): UploadsDb {
  async function read(query: SQL): Promise<UploadSession[]> {
    const rows = await database.execute<{ row: UploadRow }>(query)
    return rows.map(({ row }) => toSession(row))
  }

  return {
    reserve: (upload, now) => reserve(database, upload, now),

    takeOver: (appId, id, now, leaseUntil) =>
      transition(database, {
        appId,
        uploadId: id,
        set: sql`lease_until = ${instant(leaseUntil)}`,
        guard: sql`state = 'initiating' and lease_until <= ${instant(now)}`,
      }),

    open: (session, storageUploadId, event, now) =>
      transition(database, {
        appId: session.appId,
        uploadId: session.id,
        set: sql`state = 'open', storage_upload_id = ${storageUploadId ?? null}, lease_until = null,
          sweep_at = ${openSweepAt(session, now)}`,
        guard: among(['initiating']),
        event,
      }),

    find: async (appId, id) =>
      (
        await read(sql`select to_jsonb(u) as row from uploads u
          where app_id = ${appId} and upload_id = ${id}`)
      )[0],

    async touch(appId, id, now) {
      const [session] = await read(sql`
        with touched as (
          update uploads set active_at = ${instant(now)}
          where app_id = ${appId} and upload_id = ${id} and state = 'open'
            and active_at < ${instant(after(now, -60_000))})
        select to_jsonb(u) as row from uploads u where app_id = ${appId} and upload_id = ${id}`)
      return session
    },

    list: (appId, { subject, state, fingerprint, grantId, limit, cursor }) =>
      read(sql`select to_jsonb(u) as row from uploads u
        where app_id = ${appId}
          ${subject === undefined ? sql`` : sql`and subject = ${subject}`}
          ${state === undefined ? sql`` : sql`and state = ${state}`}
          ${fingerprint === undefined ? sql`` : sql`and fingerprint = ${fingerprint}`}
          ${grantId === undefined ? sql`` : sql`and grant_id = ${grantId}`}
          ${cursor === undefined ? sql`` : sql`and upload_id < ${cursor}`}
        order by upload_id desc limit ${limit}`),

    claimCompletion: (appId, id, declared, now, leaseUntil) =>
      transition(database, {
        appId,
        uploadId: id,
        set: sql`state = 'completing', lease_until = ${instant(leaseUntil)}, attempt = attempt + 1,
          prior_attempt_at = attempt_at, attempt_at = ${instant(now)}, active_at = ${instant(now)},
          final_size_bytes = coalesce(${declared.sizeBytes ?? null}::bigint, final_size_bytes),
          checksum = coalesce(checksum, ${declared.checksum ?? null}),
          missing_since = case when state = 'open' then null else missing_since end,
          sweep_at = ${instant(after(leaseUntil, 60_000))}`,
        guard: sql`(state = 'open' and expires_at > ${instant(now)})
          or (state = 'completing' and lease_until <= ${instant(now)})`,
      }),

    reopen: (session, { wasAttempt }, now) =>
      transition(database, {
        appId: session.appId,
        uploadId: session.id,
        set: sql`state = 'open', lease_until = null, missing_since = null,
          attempt_at = ${wasAttempt ? sql`attempt_at` : sql`prior_attempt_at`},
          sweep_at = ${openSweepAt(session, now)}`,
        guard: sql`state = 'completing' and attempt = ${session.attempt}`,
      }),

    async releaseLease(session, { missing }, now) {
      await transition(database, {
        appId: session.appId,
        uploadId: session.id,
        set: sql`lease_until = ${instant(now)},
          missing_since = ${missing ? sql`coalesce(missing_since, ${instant(now)})` : sql`missing_since`},
          sweep_at = ${instant(after(now, 60_000))}`,
        guard: sql`state = 'completing' and attempt = ${session.attempt}`,
      })
    },

    recordDirect: (appId, id, now) =>
      transition(database, {
        appId,
        uploadId: id,
        set: sql`direct = true, prior_attempt_at = attempt_at, attempt_at = ${instant(now)},
          active_at = ${instant(now)}, sweep_at = ${instant(after(now, 60_000))}`,
        guard: sql`state = 'open' and expires_at > ${instant(now)}`,
      }),

    finish: (session, object, event, now) =>
      transition(database, {
        appId: session.appId,
        uploadId: session.id,
        set: sql`state = 'completed', object = ${json(object)}, lease_until = null,
          ended_at = ${instant(now)}, storage_released_at = ${instant(now)}`,
        guard: among(statesBefore('completed')),
        event,
        settlement: { settleBytes: object.sizeBytes },
      }),

    end: (session, to, { failure, from, attempt }, event, now) =>
      transition(database, {
        appId: session.appId,
        uploadId: session.id,
        set: sql`state = ${to}, failure = ${failure ?? null}, lease_until = null,
          ended_at = ${instant(now)}, sweep_at = ${instant(now)}`,
        guard: sql`${among(from ?? statesBefore(to).filter((state) => state !== 'completing'))} and ${
          attempt === undefined ? noRecentAttempt(now) : sql`attempt = ${attempt}`
        }`,
        event,
      }),

    releaseStorage: (session, now) =>
      transition(database, {
        appId: session.appId,
        uploadId: session.id,
        set: sql`storage_released_at = ${instant(now)}`,
        guard: sql`storage_released_at is null and state in ('aborted', 'expired', 'failed')`,
        settlement: 'release',
      }),

    heal: (session, storageUploadId, now) =>
      transition(database, {
        appId: session.appId,
        uploadId: session.id,
        set: sql`storage_upload_id = ${storageUploadId}, generation = generation + 1,
          active_at = ${instant(now)}`,
        guard: sql`state = 'open' and storage_upload_id is not distinct from ${session.storageUploadId ?? null}
          and ${noRecentAttempt(now)}`,
      }),

    async scheduleSweep({ appId, id }, at) {
      await database
        .update(uploads)
        .set({ sweepAt: at })
        .where(and(eq(uploads.appId, appId), eq(uploads.uploadId, id)))
    },

    async releaseReservation(session, now) {
      await transition(database, {
        appId: session.appId,
        uploadId: session.id,
        set: sql`lease_until = ${instant(now)}`,
        guard: sql`state = 'initiating'`,
      })
    },

    // Two sweepers take different rows: the claim puts each off.
    claimDue: (appId, now, again, limit) =>
      read(sql`
        with due as (
          select app_id, upload_id from uploads
          where app_id = ${appId} and storage_released_at is null and sweep_at <= ${instant(now)}
          order by sweep_at limit ${limit} for update skip locked)
        update uploads u set sweep_at = ${instant(again)}
        from due where u.app_id = ${appId} and due.app_id = u.app_id and due.upload_id = u.upload_id
        returning to_jsonb(u) as row`),

    async forgetIdempotencyKeys(appId, before) {
      await database
        .update(uploads)
        .set({ idempotencyKey: null })
        .where(
          and(
            eq(uploads.appId, appId),
            sql`${uploads.idempotencyKey} is not null`,
            lt(uploads.createdAt, before),
          ),
        )
    },

    async appsWithDueWork(now) {
      const rows = await database.execute<{ app_id: string }>(sql`
        select app_id from (
          select app_id, min(sweep_at) as due from uploads
          where storage_released_at is null and sweep_at <= ${instant(now)} group by app_id
          union all
          select app_id, min(received_at) from callbacks where processed_at is null group by app_id
        ) work group by app_id order by min(due)`)
      return rows.map(({ app_id }) => app_id)
    },
  }
}
