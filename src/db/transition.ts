// Changes a session in one statement: the guarded update, its entry in the chained log, its deliveries and its quota.
// Either all of it happens or nothing.
import { type SQL, sql } from 'drizzle-orm'
import { type Checksums, checksumTexts } from '../core/checksum.ts'
import type { WebhookEvent } from '../core/event.ts'
import type { UploadSession } from '../core/upload-session.ts'
import type { Database } from './connect.ts'
import type { Row } from './row.ts'
import { toSession } from './session-row.ts'

/** A point in time as a parameter, because the driver under drizzle takes text. */
export const instant = (date: Date | undefined): SQL =>
  sql`${date?.toISOString() ?? null}::timestamptz`

export const json = (value: unknown): SQL =>
  sql`${value === undefined ? null : JSON.stringify(value)}::jsonb`

/** Checksums as `checked_checksums` holds them. Null if there are none, so that a comparison is null as well. */
export function textArray(checksums: Checksums): SQL {
  const texts = checksumTexts(checksums).map((text) => sql`${text}`)
  return texts.length ? sql`array[${sql.join(texts, sql`, `)}]::text[]` : sql`null::text[]`
}

/**
 * The change of the subject's usage. `end` frees its slot and `release` gives its bytes back; `settleBytes` does both, and counts
 * that number of bytes as stored.
 */
export type Settlement = 'keep' | 'end' | 'release' | { settleBytes: number }

export interface Transition {
  set: SQL
  guard: SQL
  event?: WebhookEvent
  settlement?: Settlement
  /** The upload never began, so its grant is not used. */
  returnsGrant?: boolean
}

/** An event in a statement: a parameter, or a column of `changed` if each session has its own. */
interface EventSql {
  id: SQL
  type: SQL
  at: SQL
  json: SQL
}

const eventSql = (event: WebhookEvent): EventSql => ({
  id: sql`${event.id}`,
  type: sql`${event.type}`,
  at: instant(new Date(event.timestamp)),
  json: sql`${JSON.stringify(event)}::jsonb`,
})

const eventOfRow = (event: SQL): EventSql => ({
  id: sql`${event} ->> 'id'`,
  type: sql`${event} ->> 'type'`,
  at: sql`(${event} ->> 'timestamp')::timestamptz`,
  json: event,
})

/** The event's body with the revision after the update, which is the same on every try. */
const withRevision = ({ json }: EventSql, revision: SQL) =>
  sql`jsonb_set(${json}, '{data,upload,revision}', to_jsonb(${revision}))::text`

/** Writes the log, chained by hash, and the outbox. The CTE `changed` holds the session after the change. */
export function recordEvent(event: WebhookEvent): SQL {
  return sql`${writeEvent(eventSql(event))}
    ${event.type === 'upload.completed' ? addProcessing(event) : sql``}`
}

/** Time-ordered like the event's id, and the same for every try at this statement. */
const deliveryId = ({ id }: Pick<EventSql, 'id'>, to: SQL) =>
  sql`'dlv_' || substr((${id})::text, 5, 13) || substr(md5((${id})::text || ${to}), 1, 19)`

function writeEvent(event: EventSql): SQL {
  const { id, type, at } = event
  const body = withRevision(event, sql`changed.revision`)
  return sql`,
    logged as (
      insert into upload_events (app_id, upload_id, revision, event_id, type, at, body, hash)
      select app_id, upload_id, revision, ${id}, ${type}, ${at}, ${body}, log_hash
      from changed),
    owed as (
      insert into deliveries
        (app_id, delivery_id, event_id, upload_id, endpoint_id, type, body, state, next_attempt_at, created_at)
      select w.app_id, ${deliveryId(event, sql`w.endpoint_id`)}, ${id}, changed.upload_id, w.endpoint_id, ${type},
        ${body}, 'pending', ${at}, ${at}
      from changed join webhook_endpoints w on w.app_id = changed.app_id
      where w.disabled_at is null and (w.events is null or w.events ? (${type})))`
}

/** Adds one delivery for each processing rule, as planned when the upload was created. */
function addProcessing(event: WebhookEvent): SQL {
  const { id, type, at } = eventSql(event)
  return sql`,
    processed as (
      insert into deliveries
        (app_id, delivery_id, event_id, upload_id, target, rule, type, body, state, next_attempt_at, created_at)
      select changed.app_id, ${deliveryId({ id }, sql`(task ->> 'rule')`)}, ${id}, changed.upload_id,
        task -> 'target' ->> 'type', (task ->> 'rule')::int, ${type}, task::text, 'pending', ${at}, ${at}
      from changed cross join lateral jsonb_array_elements(changed.processing) task)`
}

export const chain = (event: WebhookEvent): SQL => chained(eventSql(event))

const chained = (event: EventSql): SQL =>
  sql`log_hash = encode(sha256(convert_to(log_hash || ${withRevision(event, sql`revision + 1`)}, 'UTF8')), 'hex')`

/** Frees a slot for each ended session. The sessions of one statement have the same subject. */
const freeSlots = sql`,
    settled as (
      update usage set open_uploads = usage.open_uploads - ended.count
      from (select app_id, subject, count(*)::int as count from changed group by app_id, subject) ended
      where usage.app_id = ended.app_id and usage.subject = ended.subject
        and (select count(*) from granted) >= 0)`

/** Turns the reserved bytes into stored ones. The day's bytes change only if the reservation was made on that day. */
const settleBytes = (settledBytes: number, slots: 0 | 1): SQL => sql`,
    settled as (
      update usage set
        open_uploads = usage.open_uploads - ${slots}::int,
        reserved_bytes = usage.reserved_bytes - changed.reserved_bytes,
        settled_bytes = usage.settled_bytes + ${settledBytes}::bigint,
        day_bytes = greatest(0, usage.day_bytes - case
          when day = to_char(changed.created_at at time zone 'UTC', 'YYYY-MM-DD')
          then changed.reserved_bytes - ${settledBytes}::bigint else 0 end)
      from changed
      where usage.app_id = changed.app_id and usage.subject = changed.subject
        and (select count(*) from granted) >= 0)`

/** Returns unused bytes, and uploads that never began, to the grant. */
const settleGrant = (unused: SQL, uploads: 0 | 1): SQL => sql`,
    granted as (
      update grants set used_uploads = grants.used_uploads - ${uploads}::int,
        used_bytes = grants.used_bytes - (${unused})
      from changed
      where grants.app_id = changed.app_id and grants.grant_id = changed.grant_id
        and (${uploads}::int > 0 or ${unused} <> 0)
      returning 1)`

/** The grant comes first, in the reservation's order of locks, so that the two cannot deadlock. */
function settle(settlement: Settlement, returnsGrant: boolean): SQL {
  if (settlement === 'keep') return sql``
  if (settlement === 'end') {
    const grant = returnsGrant
      ? settleGrant(sql`changed.reserved_bytes`, 1)
      : settleGrant(sql`0`, 0)
    return sql`${grant}${freeSlots}`
  }
  if (settlement === 'release') return sql`${settleGrant(sql`0`, 0)}${settleBytes(0, 0)}`
  const { settleBytes: stored } = settlement
  const unused = sql`changed.reserved_bytes - ${stored}::bigint`
  return sql`${settleGrant(unused, 0)}${settleBytes(stored, 1)}`
}

/** Returns the session after the change, or undefined if the guard refused. */
export async function transition(
  database: Database,
  { appId, id }: Pick<UploadSession, 'appId' | 'id'>,
  { set, guard, event, settlement = 'keep', returnsGrant = false }: Transition,
): Promise<UploadSession | undefined> {
  const log = event ? sql`, revision = revision + 1, ${chain(event)}` : sql``
  const [found] = await database.execute<{ row: Row }>(sql`
    with changed as (
      update uploads set ${set}${log}
      where app_id = ${appId} and upload_id = ${id} and (${guard})
      returning *)
    ${event ? recordEvent(event) : sql``}
    ${settle(settlement, returnsGrant)}
    select to_jsonb(changed) as row from changed`)
  return found && toSession(found.row)
}

export interface TransitionOfMany extends Pick<Transition, 'set' | 'guard'> {
  appId: string
  events: ReadonlyArray<{ uploadId: string; event: WebhookEvent }>
  /** A statement after `changed`, for the row that all of them belong to. It returns a row if that exists. */
  along: SQL
}

/** Makes the same change to several sessions of one subject, each with its own event. Returns how many the guard let through. */
export async function transitionOfMany(
  database: Database,
  { appId, events, set, guard, along }: TransitionOfMany,
): Promise<{ done: boolean; changed: number }> {
  const given = JSON.stringify(events.map(({ uploadId, event }) => ({ id: uploadId, event })))
  // Rows are locked in one order, so that two of these statements cannot deadlock.
  const [answer] = await database.execute<{ done: boolean; changed: number }>(sql`
    with held as (
      select upload_id as id, given.event from uploads
        join jsonb_to_recordset(${given}::jsonb) as given (id text, event jsonb) on given.id = upload_id
      where app_id = ${appId} and (${guard})
      order by upload_id for update of uploads),
    changed as (
      update uploads set ${set}, revision = revision + 1, ${chained(eventOfRow(sql`held.event`))}
      from held where app_id = ${appId} and upload_id = held.id
      returning uploads.*, held.event)
    ${writeEvent(eventOfRow(sql`changed.event`))},
    granted as (${along})
    ${freeSlots}
    select exists (select from granted) as done, (select count(*)::int from changed) as changed`)
  return answer!
}
