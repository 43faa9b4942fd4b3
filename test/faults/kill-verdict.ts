// What must hold once all has settled after the kills, asked of the database, the store's disk, the receiver and the clients.
// A finding begins with the invariant that it breaks, where it breaks one.
import { join } from 'node:path'
import postgres from 'postgres'
import { storeContent } from './invariants.ts'
import { md5, type Reach, readBack, type Tracked } from './stubborn-client.ts'
import type { Victims } from './victims.ts'

/** Bodies by event id. */
export type Received = Map<string, Set<string>>

const ENDED = ['completed', 'aborted', 'expired', 'failed']
const SECRET = /\beyJ[\w-]+\.[\w-]+|\bcsk_\w|\bwhsec_\w|x-oss-signature=/i
/** Read back at once. */
const BATCH = 50

export async function judge(
  victims: Victims,
  all: readonly Tracked[],
  received: Received,
  quiet: Reach,
): Promise<string[]> {
  const sql = postgres(victims.realDatabaseUrl(), { max: 1, onnotice: () => {} })
  try {
    const sessions = await sql`select upload_id, state, object_key, failure,
      (storage_released_at is null) as held from uploads`
    const events = await sql`select event_id, upload_id, type, body from upload_events`
    const completed = sessions.filter(({ state }) => state === 'completed')
    return [
      ...(await judgeClients(all, sessions, quiet)),
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
  const { state, failure } = row
  // A reservation whose process died is failed by the sweep; a client that was not there within the minute learns it then.
  const excused = failure === 'initiate-incomplete'
  const wished = wish === 'abort' ? ['aborted', 'completed'] : ['completed']
  const found: string[] = []
  if (!excused && !wished.includes(state)) {
    found.push(`${name} ends ${state} (${failure})`)
  }
  for (const other of told)
    if (other !== state) found.push(`I3: ${name} was told ${other}, is ${state}`)
  if (state !== 'completed') return found
  const stored = await readBack(tracked, quiet)
  if (stored !== md5(bytes)) found.push(`I2: ${name} reads back as ${stored}`)
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

async function judgeQuota(sql: postgres.Sql): Promise<string[]> {
  const usage = await sql`select subject from usage where open_uploads <> 0 or reserved_bytes <> 0`
  return usage.map(({ subject }) => `I5: ${subject} still has something reserved`)
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

const judgeOutput = (victims: Victims): string[] =>
  victims
    .output()
    .split('\n')
    .filter((line) => SECRET.test(line))
    .map((line) => `I7: a secret stands in: ${line.slice(0, 200)}`)
