// The checks after the kills and the recovery, on the database, the store's disk, the receiver and the clients. A finding begins
// with the invariant that it breaks, if it breaks one.
import { join } from 'node:path'
import postgres from 'postgres'
import { storeContent } from './invariants.ts'
import { md5, type Reach, readBack, type Tracked } from './stubborn-client.ts'
import type { Victims } from './victims.ts'

/** Bodies by event id. */
export type Received = Map<string, Set<string>>

const ENDED = ['completed', 'aborted', 'expired', 'failed']
const SECRET = /\beyJ[\w-]+\.[\w-]+|\bcsk_\w|\bwhsec_\w|x-oss-signature=/i
/** A repeated create takes over one that died with its process. Only a few can lose that race against the sweep. */
const MOST_EXCUSED = 0.02
/** How many objects to read back at once. */
const BATCH = 50

export async function judge(
  victims: Victims,
  all: readonly Tracked[],
  received: Received,
  quiet: Reach,
): Promise<string[]> {
  const sql = postgres(victims.realDatabaseUrl(), { max: 1, onnotice: () => {} })
  try {
    const sessions = await sql`select upload_id, state, method, object_key, failure,
      (storage_released_at is null) as held from uploads`
    const events = await sql`select event_id, upload_id, type, body from upload_events`
    const completed = sessions.filter(({ state }) => state === 'completed')
    return [
      ...(await judgeClients(all, sessions, quiet)),
      ...judgeCounts(all, sessions),
      ...sessions.flatMap((session) => judgeEnd(session, events)),
      ...judgeEvents(events, received),
      ...(await judgeQuota(sql)),
      ...(await judgeDisk(victims, new Set(completed.map((row) => row.object_key)))),
      ...judgeOutput(victims),
    ]
  } finally {
    await sql.end()
  }
}

/**
 * Only a session whose client never saw `open` may have failed: the sweep fails a reservation whose process died, unless the
 * client comes back in time to take it over.
 */
const isExcused = ({ wasOpen }: Tracked, failure: string | null): boolean =>
  !wasOpen && failure === 'initiate-incomplete'

async function judgeClients(
  all: readonly Tracked[],
  sessions: readonly postgres.Row[],
  quiet: Reach,
): Promise<string[]> {
  const found: string[] = []
  for (let at = 0; at < all.length; at += BATCH) {
    const judged = all.slice(at, at + BATCH).map((one) => judgeClient(one, sessions, quiet))
    found.push(...(await Promise.all(judged)).flat())
  }
  return found
}

async function judgeClient(
  tracked: Tracked,
  sessions: readonly postgres.Row[],
  quiet: Reach,
): Promise<string[]> {
  const { number, id, ids, told, wish, bytes } = tracked
  const name = `upload ${number} (${wish}, ${bytes.length} bytes, ${id})`
  const row = sessions.find(({ upload_id }) => upload_id === id)
  if (!row) return [`${name} never began`]
  if (ids.size > 1) return [`I8: ${name} was answered with several ids`]
  const { state, failure, method } = row
  const found: string[] = []
  if (!wishedOf(wish, method).includes(state) && !isExcused(tracked, failure)) {
    found.push(`${name} ends ${state} (${failure})`)
  }
  for (const other of told)
    if (other !== state) found.push(`I3: ${name} was told ${other}, is ${state}`)
  if (state !== 'completed') return found
  const stored = await readBack(tracked, quiet)
  if (stored !== md5(bytes)) found.push(`I2: ${name} reads back as ${stored}`)
  return found
}

/** A single PUT's object completes its session without the client, whose abort may come too late. */
const wishedOf = (wish: Tracked['wish'], method: string): string[] =>
  wish !== 'abort' ? ['completed'] : method === 'multipart' ? ['aborted'] : ['aborted', 'completed']

function judgeCounts(all: readonly Tracked[], sessions: readonly postgres.Row[]): string[] {
  const of = new Map(all.map((tracked) => [tracked.id, tracked]))
  const excused = sessions.filter(({ upload_id: id, failure }) => {
    const tracked = of.get(id)
    return tracked && isExcused(tracked, failure)
  })
  const found = sessions
    .filter(({ upload_id: id }) => !of.has(id))
    .map(({ upload_id: id }) => `I8: ${id} is a session that no client was told of`)
  if (excused.length > all.length * MOST_EXCUSED) {
    found.push(`${excused.length} of ${all.length} uploads never got open`)
  }
  return found
}

function judgeEnd(
  { upload_id: id, state, held }: postgres.Row,
  events: readonly postgres.Row[],
): string[] {
  const ends = events.filter(
    ({ upload_id, type }) => upload_id === id && ENDED.includes(type.slice('upload.'.length)),
  )
  const found: string[] = []
  if (held || !ENDED.includes(state)) found.push(`I3: ${id} is left ${state}`)
  if (ends.length !== 1 || ends[0]!.type !== `upload.${state}`) {
    found.push(`I4: ${id} is ${state}; its events say ${ends.map(({ type }) => type)}`)
  }
  return found
}

function judgeEvents(events: readonly postgres.Row[], received: Received): string[] {
  const found: string[] = []
  for (const { event_id: id, type, body } of events) {
    const bodies = received.get(id)
    if (!bodies) found.push(`I4: ${type} ${id} never arrived`)
    else if (bodies.size !== 1 || !bodies.has(body)) found.push(`I4: ${id} came in other bytes`)
  }
  const known = new Set(events.map(({ event_id }) => event_id))
  for (const id of received.keys()) if (!known.has(id)) found.push(`I1: ${id} stands in no log`)
  return found
}

/** Nothing is open, so nothing is reserved, and `settled` sums each completed session once. */
async function judgeQuota(sql: postgres.Sql): Promise<string[]> {
  const wrong = await sql`
    select coalesce(usage.subject, truth.subject) as subject, open_uploads, reserved_bytes, settled_bytes, is_settled
    from usage full join (
      select app_id, subject,
        coalesce(sum((object->>'sizeBytes')::bigint) filter (where state = 'completed'), 0) as is_settled
      from uploads group by app_id, subject) truth using (app_id, subject)
    where (open_uploads, reserved_bytes, settled_bytes) is distinct from (0, 0, is_settled)`
  return wrong.map((row) => `I5: ${JSON.stringify(row)}`)
}

async function judgeDisk(victims: Victims, keys: ReadonlySet<string>): Promise<string[]> {
  const { uploads, objects, data } = await storeContent(join(victims.dataDir, 'store'))
  const named = new Set(objects.flatMap(({ pieces }) => pieces.map(({ dataId }) => dataId)))
  return [
    ...uploads.map(({ key }) => `I6: a storage upload of ${key} is left`),
    ...objects
      .filter(({ key }) => !keys.has(key))
      .map(({ key }) => `I6: the object ${key} is left`),
    ...data.filter((id) => !named.has(id)).map((id) => `I6: the bytes ${id} are left`),
  ]
}

/** The service names every failure of the database and the store. */
const UNEXPECTED = /"message":"an unexpected error"/

function judgeOutput(victims: Victims): string[] {
  const lines = victims.output().split('\n')
  return [
    ...lines
      .filter((line) => SECRET.test(line))
      .map((line) => `I7: a secret stands in: ${line.slice(0, 200)}`),
    ...lines.filter((line) => UNEXPECTED.test(line)),
  ]
}
