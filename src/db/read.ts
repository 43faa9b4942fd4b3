// Reads one session, or those that a credential may list. For a grant, the same statement checks that it is not revoked.
import { type SQL, sql } from 'drizzle-orm'
import type { UploadFilter, UploadsDb } from '../core/ports/uploads.ts'
import { grantRevoked } from '../core/reach.ts'
import { hasEnded, type UploadSession } from '../core/upload-session.ts'
import type { Database } from './connect.ts'
import type { Row } from './row.ts'
import { toSession } from './session-row.ts'
import { instant } from './transition.ts'

/** The condition of the partial indexes. Literals, because a generic plan cannot match parameters with an index. */
const UNFINISHED = sql`state in ('initiating', 'open', 'completing')`

const CLIENT_SEEN_MS = 60_000
/** Unfinished sessions of one key that a notification may concern. */
const MAX_OF_KEY = 20

/** A grant whose row was removed counts as revoked. */
const stands = (appId: string, grantId: string): SQL =>
  sql`exists (select from grants where app_id = ${appId} and grant_id = ${grantId} and revoked_at is null)`

/** Newest first. Throws `grant-revoked` if the grant `by` is revoked. `before` is the statement's `with`. */
async function read(
  database: Database,
  { appId, by, rows, before }: { appId: string; by?: string; rows: SQL; before?: SQL },
): Promise<UploadSession[]> {
  const first = before ?? sql``
  if (by === undefined) {
    const found = await database.execute<{ row: Row }>(sql`${first} ${rows}`)
    return found.map(({ row }) => toSession(row))
  }
  const found = await database.execute<{ row: Row | null; stands: boolean }>(sql`
    ${first} select stands, found.row from (select ${stands(appId, by)} as stands) grant_check
      left join (${rows}) found on stands
    order by found.row ->> 'upload_id' desc`)
  if (!found[0]?.stands) throw grantRevoked()
  return found.flatMap(({ row }) => (row ? [toSession(row)] : []))
}

const one = (appId: string, id: string): SQL =>
  sql`select to_jsonb(u) as row from uploads u where app_id = ${appId} and upload_id = ${id}`

/** The rule of `reaches` (core/reach.ts) as a query. */
function listed(
  appId: string,
  { subject, state, fingerprint, reach, limit, cursor }: UploadFilter,
): SQL {
  const unfinishedOnly = fingerprint !== undefined || (state !== undefined && !hasEnded(state))
  const filters = [
    sql`app_id = ${appId}`,
    ...(subject === undefined ? [] : [sql`subject = ${subject}`]),
    ...(unfinishedOnly ? [UNFINISHED] : []),
    ...(state === undefined ? [] : [sql`state = ${state}`]),
    ...(fingerprint === undefined ? [] : [sql`fingerprint = ${fingerprint}`]),
    ...(cursor === undefined ? [] : [sql`upload_id < ${cursor}`]),
  ]
  const select = (...more: SQL[]) => sql`
    select to_jsonb(u) as row, upload_id from uploads u
    where ${sql.join([...filters, ...more], sql` and `)}
    order by upload_id desc limit ${limit}`
  if (!reach) return select()
  const { grantId, unfinishedUnder, endedSince } = reach
  const created = select(
    sql`grant_id = ${grantId}`,
    ...(endedSince ? [sql`(ended_at is null or ended_at >= ${instant(endedSince)})`] : []),
  )
  if (unfinishedUnder === undefined) return created
  const unfinished = select(
    UNFINISHED,
    sql`policy_name = ${unfinishedUnder}`,
    sql`grant_id is distinct from ${grantId}`,
  )
  return sql`select row from ((${created}) union all (${unfinished})) listed
    order by upload_id desc limit ${limit}`
}

export const readDb = (
  database: Database,
): Pick<UploadsDb, 'find' | 'touch' | 'findByKey' | 'list'> => ({
  async find(appId, id, by) {
    return (await read(database, { appId, by, rows: one(appId, id) }))[0]
  },

  async touch(appId, id, now, by) {
    const seenBefore = instant(new Date(now.getTime() - CLIENT_SEEN_MS))
    const before = sql`
      with touched as (
        update uploads set active_at = ${instant(now)}
        where app_id = ${appId} and upload_id = ${id} and state = 'open'
          and active_at < ${seenBefore} ${by === undefined ? sql`` : sql`and ${stands(appId, by)}`})`
    return (await read(database, { appId, by, rows: one(appId, id), before }))[0]
  },

  async findByKey(appId, store, key) {
    const rows = await database.execute<{ row: Row }>(sql`
      select to_jsonb(u) as row from uploads u
      where app_id = ${appId} and object_key = ${key} and ${UNFINISHED} and store = ${store}
      order by upload_id limit ${MAX_OF_KEY}`)
    return rows.map(({ row }) => toSession(row))
  },

  list: (appId, filter) =>
    read(database, { appId, by: filter.reach?.grantId, rows: listed(appId, filter) }),
})
