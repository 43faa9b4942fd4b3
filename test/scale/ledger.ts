// The books at the end: what the database, the store and the receiver say of the same sessions must agree.
import { createHash } from 'node:crypto'
import type postgres from 'postgres'
import type { Outcome } from './client.ts'
import type { Receiver } from './receiver.ts'

const ENDED = ['completed', 'aborted', 'expired', 'failed']

/** Sessions that have not ended, and deliveries that are owed. */
export async function unsettled(sql: postgres.Sql): Promise<{ sessions: number; owed: number }> {
  const [row] = await sql`
    select (select count(*)::int from uploads where state <> all(${ENDED})) as sessions,
      (select count(*)::int from deliveries where state = 'pending') as owed`
  return row as unknown as { sessions: number; owed: number }
}

interface Session {
  upload_id: string
  state: string
  revision: number
  log_hash: string
  events: Array<{ revision: number; type: string; body: string; event_id: string }>
}

const sessionsWithEvents = (sql: postgres.Sql) =>
  sql<Session[]>`
    select u.upload_id, u.state, u.revision, u.log_hash, coalesce((
      select jsonb_agg(jsonb_build_object('revision', e.revision, 'type', e.type, 'body', e.body,
        'event_id', e.event_id) order by e.revision)
      from upload_events e where e.app_id = u.app_id and e.upload_id = u.upload_id), '[]') as events
    from uploads u`

/** The chain over all bodies in order: nothing is missing, doubled or changed. */
const chained = (events: Session['events']) =>
  events.reduce(
    (hash, { body }) =>
      createHash('sha256')
        .update(hash + body)
        .digest('hex'),
    '',
  )

/** Sentences about what is wrong; none means that every promise was kept. */
export async function faultsOf(
  sql: postgres.Sql,
  outcomes: readonly Outcome[],
  { received }: Receiver,
): Promise<string[]> {
  const faults: string[] = []
  const sessions = await sessionsWithEvents(sql)
  const byId = new Map(sessions.map((session) => [session.upload_id, session]))
  if (sessions.length !== outcomes.length) {
    faults.push(`${outcomes.length} clients made ${sessions.length} sessions`)
  }
  for (const { uploadId, told, intent } of outcomes) {
    const state = byId.get(uploadId)?.state
    if (told !== undefined && told !== state) {
      faults.push(`${uploadId} is ${state}, its client was told ${told} (${intent})`)
    }
  }
  const eventIds = new Set<string>()
  for (const { upload_id: id, state, revision, log_hash: hash, events } of sessions) {
    const ends = events.filter(({ type }) => ENDED.includes(type.replace('upload.', '')))
    if (ends.length !== 1 || ends[0]!.type !== `upload.${state}`) {
      faults.push(`${id} is ${state} and ended as ${ends.map(({ type }) => type).join(', ')}`)
    }
    const numbers = events.map((event) => event.revision)
    if (numbers.some((number, index) => number !== index + 1) || numbers.length !== revision) {
      faults.push(`${id} has the revisions ${numbers.join(', ')} of ${revision}`)
    }
    if (chained(events) !== hash) faults.push(`the log of ${id} does not chain`)
    for (const event of events) eventIds.add(event.event_id)
  }
  for (const [endpoint, events] of received.entries()) {
    const missing = [...eventIds].filter((id) => !events.get(id)?.accepted)
    const unknown = [...events.keys()].filter((id) => !eventIds.has(id))
    const changed = [...events].filter(([, { digests }]) => digests.size > 1)
    if (missing.length) faults.push(`endpoint ${endpoint} never got ${missing.join(', ')}`)
    if (unknown.length) faults.push(`endpoint ${endpoint} got ${unknown.join(', ')}, never logged`)
    if (changed.length) faults.push(`endpoint ${endpoint} got other bytes on a repeat`)
  }
  return [...faults, ...(await faultsOfQuota(sql))]
}

/** What is reserved is what unreleased sessions hold; what is settled is what completed. */
async function faultsOfQuota(sql: postgres.Sql): Promise<string[]> {
  const rows = await sql`
    select g.app_id, g.subject from usage g join lateral (
      select count(*) filter (where state in ('initiating', 'open', 'completing')) as open_uploads,
        coalesce(sum(reserved_bytes) filter (where storage_released_at is null), 0) as reserved,
        coalesce(sum((object ->> 'sizeBytes')::bigint) filter (where state = 'completed'), 0) as settled
      from uploads u where u.app_id = g.app_id and u.subject = g.subject) held on true
    where (g.open_uploads, g.reserved_bytes, g.settled_bytes)
      is distinct from (held.open_uploads, held.reserved, held.settled)`
  return rows.map(({ subject }) => `the quota of ${subject} does not add up`)
}
