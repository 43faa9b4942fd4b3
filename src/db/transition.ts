// One statement for a change of a session: the guarded update, its entry in the chained log, the deliveries that it owes
// and what it does to the quota. Either all of it happens or nothing.
import { type SQL, sql } from 'drizzle-orm'
import type { WebhookEvent } from '../core/event.ts'
import type { UploadSession } from '../core/upload-session.ts'
import type { Database } from './connect.ts'
import { toSession, type UploadRow } from './session-row.ts'

/** A point in time as a parameter: the driver under drizzle takes text. */
export const instant = (date: Date | undefined): SQL =>
  sql`${date?.toISOString() ?? null}::timestamptz`

export const json = (value: unknown): SQL =>
  sql`${value === undefined ? null : JSON.stringify(value)}::jsonb`

/** What happens to the subject's usage: nothing, given back, or turned into stored bytes. */
export type Settlement = 'keep' | 'release' | { settleBytes: number }

export interface Transition {
  appId: string
  uploadId: string
  set: SQL
  guard: SQL
  event?: WebhookEvent
  settlement?: Settlement
  /** The upload never began: its grant has not been used. */
  returnsGrant?: boolean
}

/** Body of an event with the revision that the guarded update arrived at: the same bytes on every attempt. */
const withRevision = (event: WebhookEvent, revision: SQL) =>
  sql`jsonb_set(${JSON.stringify(event)}::jsonb, '{data,upload,revision}', to_jsonb(${revision}))::text`

/** Log, chained by hash, and outbox. `changed` names the CTE with the session after the change. */
export function recordEvent(event: WebhookEvent): SQL {
  const at = instant(new Date(event.timestamp))
  const body = withRevision(event, sql`changed.revision`)
  // Time-ordered like the event's id, and the same for every try at this statement.
  const deliveryId = (to: SQL) =>
    sql`'dlv_' || substr(${event.id}::text, 5, 13) || substr(md5(${event.id}::text || ${to}), 1, 19)`
  return sql`,
    logged as (
      insert into upload_events (app_id, upload_id, revision, event_id, type, at, body, hash)
      select app_id, upload_id, revision, ${event.id}, ${event.type}, ${at}, ${body}, log_hash
      from changed),
    owed as (
      insert into deliveries
        (app_id, delivery_id, event_id, upload_id, endpoint_id, type, body, state, next_attempt_at, created_at)
      select w.app_id, ${deliveryId(sql`w.endpoint_id`)}, ${event.id}, changed.upload_id, w.endpoint_id, ${event.type},
        ${body}, 'pending', ${at}, ${at}
      from changed join webhook_endpoints w on w.app_id = changed.app_id
      where w.disabled_at is null and (w.events is null or w.events ? ${event.type}))
    ${event.type === 'upload.completed' ? oweProcessing(event, deliveryId, at) : sql``}`
}

/** What the session's policy has made of the object: one delivery a rule, planned when the upload was created. */
const oweProcessing = (event: WebhookEvent, deliveryId: (to: SQL) => SQL, at: SQL) => sql`,
    processed as (
      insert into deliveries
        (app_id, delivery_id, event_id, upload_id, target, rule, type, body, state, next_attempt_at, created_at)
      select changed.app_id, ${deliveryId(sql`(task ->> 'rule')`)}, ${event.id}, changed.upload_id,
        task -> 'target' ->> 'type', (task ->> 'rule')::int, ${event.type}, task::text, 'pending', ${at}, ${at}
      from changed cross join lateral jsonb_array_elements(changed.processing) task)`

export const chain = (event: WebhookEvent): SQL =>
  sql`log_hash = encode(sha256(convert_to(log_hash || ${withRevision(event, sql`revision + 1`)}, 'UTF8')), 'hex')`

/** What the subject had reserved is given back or becomes stored; of the day only where that day is still the current one. */
const settleUsage = (settledBytes: number): SQL => sql`,
    settled as (
      update usage set
        open_uploads = usage.open_uploads - 1,
        reserved_bytes = usage.reserved_bytes - changed.reserved_bytes,
        settled_bytes = usage.settled_bytes + ${settledBytes}::bigint,
        day_bytes = greatest(0, usage.day_bytes - case
          when day = to_char(changed.created_at at time zone 'UTC', 'YYYY-MM-DD')
          then changed.reserved_bytes - ${settledBytes}::bigint else 0 end)
      from changed
      where usage.app_id = changed.app_id and usage.subject = changed.subject
        and (select count(*) from granted) >= 0)`

/** A grant is used by what was created under it, with the size that it turned out to have; not by what never began. */
const settleGrant = (unused: SQL, uploads: 0 | 1): SQL => sql`,
    granted as (
      update grants set used_uploads = grants.used_uploads - ${uploads}::int,
        used_bytes = grants.used_bytes - (${unused})
      from changed
      where grants.app_id = changed.app_id and grants.grant_id = changed.grant_id
        and (${uploads}::int > 0 or ${unused} <> 0)
      returning 1)`

/** The grant first, as the reservation takes them: so that neither waits for the other's lock. */
function settle(settlement: Settlement, returnsGrant: boolean): SQL {
  if (settlement === 'keep') {
    return returnsGrant ? settleGrant(sql`changed.reserved_bytes`, 1) : sql``
  }
  const settledBytes = settlement === 'release' ? 0 : settlement.settleBytes
  const unused =
    settlement === 'release' ? sql`0` : sql`changed.reserved_bytes - ${settledBytes}::bigint`
  return sql`${settleGrant(unused, 0)}${settleUsage(settledBytes)}`
}

/** Answers the session after the change, or undefined where the guard refused. */
export async function transition(
  database: Database,
  { appId, uploadId, set, guard, event, settlement = 'keep', returnsGrant = false }: Transition,
): Promise<UploadSession | undefined> {
  const log = event ? sql`, revision = revision + 1, ${chain(event)}` : sql``
  const [found] = await database.execute<{ row: UploadRow }>(sql`
    with changed as (
      update uploads set ${set}${log}
      where app_id = ${appId} and upload_id = ${uploadId} and (${guard})
      returning *)
    ${event ? recordEvent(event) : sql``}
    ${settle(settlement, returnsGrant)}
    select to_jsonb(changed) as row from changed`)
  return found && toSession(found.row)
}
