// Upload sessions in Postgres. Each method is one statement, and each transition is guarded by the state it starts from.
import { type SQL, sql } from 'drizzle-orm'
import { type Checksums, checksumTexts } from '../core/checksum.ts'
import type { UploadsDb } from '../core/ports/uploads.ts'
import { firstLookAt } from '../core/sweep-rules.ts'
import {
  type Declaration,
  MAX_GENERATIONS,
  statesBefore,
  type UploadSession,
} from '../core/upload-session.ts'
import type { Database } from './connect.ts'
import { dueDb } from './due.ts'
import { among, endDb, noRecentAttempt } from './end.ts'
import { readDb } from './read.ts'
import { reserve, storeKey } from './reserve.ts'
import { instant, json, textArray, transition } from './transition.ts'

const after = (date: Date, milliseconds: number) => new Date(date.getTime() + milliseconds)

const mayHeal = ({ storageUploadId }: UploadSession, now: Date): SQL =>
  sql`state = 'open' and expires_at > ${instant(now)} and generation < ${MAX_GENERATIONS}
    and storage_upload_id is not distinct from ${storageUploadId ?? null} and ${noRecentAttempt(now)}`

const mayOpen = ({ leaseUntil }: UploadSession): SQL =>
  sql`state = 'initiating' and lease_until = ${instant(leaseUntil)}`

/** The attempt is the one that the same statement begins. */
const declares = ({ sizeBytes, checksum }: Declaration): SQL =>
  sql`jsonb_strip_nulls(jsonb_build_object('sizeBytes', ${sizeBytes ?? null}::bigint,
            'checksum', ${checksum ?? null}::text, 'attempt', attempt + 1))`

/** How many checked listings of the parts a row keeps, newest last. */
const MAX_CHECKED = 16

/** The first checksum represents a listing. */
const checkedText = (checksums: Checksums): SQL => sql`${checksumTexts(checksums)[0] ?? null}::text`

/** Adds a listing. Null once a listing has no checksum, because then any parts may make the session's object. */
const withChecked = (checked: SQL): SQL =>
  sql`case when ${checked} is null or (direct and checked_checksums is null) then null
            else (array_append(array_remove(checked_checksums, ${checked}), ${checked}))
              [greatest(1, coalesce(cardinality(checked_checksums), 0) + 2 - ${MAX_CHECKED}::int):] end`

export function uploadsDb(database: Database): UploadsDb {
  return {
    ...dueDb(database),
    ...readDb(database),
    ...endDb(database),

    reserve: (upload, now) => reserve(database, upload, now),

    storeKey: (request, uploadId, now) => storeKey(database, request, uploadId, now),

    takeOver: (appId, id, now, leaseUntil) =>
      transition(
        database,
        { appId, id },
        {
          set: sql`lease_until = ${instant(leaseUntil)}, leftovers_at = ${instant(now)}`,
          guard: sql`state = 'initiating' and lease_until <= ${instant(now)}`,
        },
      ),

    open: (session, storageUploadId, event, now) =>
      transition(database, session, {
        set: sql`state = 'open', storage_upload_id = ${storageUploadId ?? null}, lease_until = null,
          sweep_at = ${instant(firstLookAt(session, now))}`,
        // A request that took over has aborted this storage upload.
        guard: mayOpen(session),
        event,
      }),

    // A takeover keeps the declaration, because the object of the first attempt must not be judged by another one.
    claimCompletion: (appId, id, declared, now, leaseUntil) =>
      transition(
        database,
        { appId, id },
        {
          set: sql`state = 'completing', lease_until = ${instant(leaseUntil)}, attempt = attempt + 1,
          prior_attempt_at = attempt_at, attempt_at = ${instant(now)}, active_at = ${instant(now)},
          attempt_declared = case when state = 'open' then ${declares(declared)} else attempt_declared end,
          missing_since = case when state = 'open' then null else missing_since end,
          sweep_at = ${instant(after(leaseUntil, 60_000))}`,
          guard: sql`(state = 'open' and expires_at > ${instant(now)})
          or (state = 'completing' and lease_until <= ${instant(now)})`,
        },
      ),

    reopen: (session, options, now) =>
      transition(database, session, {
        set: sql`state = 'open', lease_until = null, missing_since = null,
          attempt_at = ${options.wasAttempt ? sql`attempt_at` : sql`prior_attempt_at`}, attempt_declared = null,
          sweep_at = ${instant(firstLookAt(session, now))}`,
        guard: sql`state = 'completing' and attempt = ${session.attempt}`,
      }),

    releaseLease: (session, { missing, wasAttempt }, now) =>
      transition(database, session, {
        set: sql`lease_until = ${instant(now)}, attempt_at = ${wasAttempt ? sql`attempt_at` : sql`prior_attempt_at`},
          missing_since = ${missing ? sql`coalesce(missing_since, ${instant(now)})` : sql`missing_since`},
          sweep_at = ${instant(after(now, 60_000))}`,
        guard: sql`state = 'completing' and attempt = ${session.attempt}`,
      }),

    recordChecked: (session, checksums, now) =>
      transition(database, session, {
        set: sql`checked_checksums = ${withChecked(checkedText(checksums))}`,
        guard: sql`state = 'completing' and attempt = ${session.attempt} and lease_until > ${instant(now)}`,
      }),

    // A checksum that newly binds the session voids the listings that were not checked against it.
    recordDirect: (appId, id, { checksums, checksum }, now) => {
      const checked = checkedText(checksums)
      return transition(
        database,
        { appId, id },
        {
          set: sql`direct = true, checksum = ${checksum ?? null},
          checked_checksums = case when checksum is null and ${checksum ?? null}::text is not null and ${checked} is not null
            then array[${checked}] else ${withChecked(checked)} end,
          prior_attempt_at = attempt_at, attempt_at = ${instant(now)},
          active_at = ${instant(now)}, sweep_at = ${instant(after(now, 60_000))}`,
          guard: sql`state = 'open' and expires_at > ${instant(now)}
          and coalesce(checksum, ${checksum ?? null}) is not distinct from ${checksum ?? null}::text`,
        },
      )
    },

    // A client's own SDK may have begun more uploads than it completed, so the sweep looks for leftovers.
    finish: (session, object, event, now) =>
      transition(database, session, {
        set: sql`state = 'completed', object = ${json(object)}, checksum = ${object.declared ?? null},
          attempt_declared = null, lease_until = null,
          ended_at = ${instant(now)}, storage_released_at = ${instant(now)}, sweep_at = ${instant(now)},
          leftovers_at = case when method = 'credentials' then ${instant(now)} else leftovers_at end`,
        guard: sql`${among(statesBefore('completed'))}
          and (not direct or (checked_checksums && ${textArray(object.checksums)}) is not false)`,
        event,
        settlement: { settleBytes: object.sizeBytes },
      }),

    releaseStorage: (session, now) =>
      transition(database, session, {
        set: sql`storage_released_at = ${instant(now)}, leftovers_at = null`,
        guard: sql`storage_released_at is null and state in ('aborted', 'expired', 'failed')`,
        settlement: 'release',
      }),

    beginHeal: (session, now) =>
      transition(database, session, {
        set: sql`leftovers_at = ${instant(now)}`,
        guard: mayHeal(session, now),
      }),

    heal: (session, storageUploadId, now) =>
      transition(database, session, {
        set: sql`storage_upload_id = ${storageUploadId}, generation = generation + 1,
          direct = false, checked_checksums = null, active_at = ${instant(now)}, sweep_at = ${instant(firstLookAt(session, now))}`,
        guard: mayHeal(session, now),
      }),

    async releaseReservation(session, now) {
      await transition(database, session, {
        set: sql`lease_until = ${instant(now)}`,
        guard: mayOpen(session),
      })
    },
  }
}
