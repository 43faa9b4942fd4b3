// Ends sessions in any state but completed: one of them, or a grant together with all that are open under it.
import { type SQL, sql } from 'drizzle-orm'
import type { UploadsDb } from '../core/ports/uploads.ts'
import {
  ATTEMPT_WINDOW_MS,
  type EndOptions,
  statesBefore,
  type UploadState,
} from '../core/upload-session.ts'
import type { Database } from './connect.ts'
import type { Row } from './row.ts'
import { toSession } from './session-row.ts'
import { instant, type Transition, textArray, transition, transitionOfMany } from './transition.ts'

export const among = (states: readonly UploadState[]): SQL =>
  sql`state in (${sql.join(
    states.map((state) => sql`${state}`),
    sql`, `,
  )})`

/** Guard of abort and expiry: the store may still be working on an attempt within the window. */
export const noRecentAttempt = (now: Date): SQL =>
  sql`(attempt_at is null or attempt_at < ${instant(new Date(now.getTime() - ATTEMPT_WINDOW_MS))})`

function endGuard(
  to: 'aborted' | 'expired' | 'failed',
  { from, attempt, activeAt, leaseEnded, unlessChecked }: EndOptions,
  now: Date,
): SQL {
  const states = from ?? statesBefore(to).filter((state) => state !== 'completing')
  const guards = [
    among(states),
    attempt === undefined ? noRecentAttempt(now) : sql`attempt = ${attempt}`,
    ...(activeAt ? [sql`active_at <= ${instant(activeAt)}`] : []),
    ...(unlessChecked ? [sql`(checked_checksums && ${textArray(unlessChecked)}) is not true`] : []),
    ...(leaseEnded ? [sql`lease_until <= ${instant(now)}`] : []),
  ]
  return sql.join(guards, sql` and `)
}

const ending = (
  to: 'aborted' | 'expired' | 'failed',
  options: EndOptions,
  now: Date,
): Pick<Transition, 'set' | 'guard'> => ({
  set: sql`state = ${to}, failure = ${options.failure ?? null}, lease_until = null,
          ended_at = ${instant(now)}, sweep_at = ${instant(now)},
          leftovers_at = case when state = 'initiating' and not ${options.nothingBegun ?? false}::boolean
            then ${instant(now)} else leftovers_at end`,
  guard: endGuard(to, options, now),
})

export const endDb = (
  database: Database,
): Pick<UploadsDb, 'end' | 'abortableUnder' | 'revokeGrant'> => ({
  // A failed initiate does not count as a use of the grant. An abort before the store has begun does.
  end: (session, to, options, event, now) =>
    transition(database, session, {
      ...ending(to, options, now),
      event,
      settlement: 'end',
      returnsGrant: options.from?.length === 1 && options.from[0] === 'initiating',
    }),

  async abortableUnder(appId, grantId, now, limit) {
    const rows = await database.execute<{ row: Row }>(sql`
      select to_jsonb(u) as row from uploads u
      where app_id = ${appId} and grant_id = ${grantId} and ${endGuard('aborted', {}, now)}
      order by upload_id limit ${limit}`)
    return rows.map(({ row }) => toSession(row))
  },

  // Locks the grant after its sessions, in the order of every other end.
  async revokeGrant(appId, grantId, aborts, now) {
    const revoked = sql`
      update grants set revoked_at = coalesce(revoked_at, ${instant(now)})
      where app_id = ${appId} and grant_id = ${grantId} and (select count(*) from changed) >= 0
      returning 1`
    const { done, changed } = await transitionOfMany(database, {
      appId,
      events: aborts,
      ...ending('aborted', {}, now),
      along: revoked,
    })
    return done ? changed : undefined
  },
})
