// Checks I1 to I8 in the database, on the store's disk, and in what the receiver and the clients received. Each finding names its
// invariant. Run it after recovery; `quotaFindings` may run at any time.
import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Clients, contentOf, type Upload } from './commands.ts'
import { KEEP, type World } from './world.ts'

export interface SessionRow {
  upload_id: string
  subject: string
  state: string
  method: string
  object_key: string
  object: { sizeBytes: number; etag: string; checksums: Record<string, string> } | null
  reserved_bytes: string
  storage_released_at: Date | null
  ended_at: Date | null
  failure: string | null
  log_hash: string
  processing: Array<{ key: string }> | null
}

interface EventRow {
  upload_id: string
  event_id: string
  type: string
  body: string
  hash: string
}

/** How long an Idempotency-Key names the same session. */
const KEY_KEPT_MS = 24 * 3600_000
const TERMINAL = ['completed', 'aborted', 'expired', 'failed']

export interface Expected {
  /** Terminal states reported to clients, by session. */
  told: Map<string, Set<string>>
  /** Foreign storage uploads in the same bucket. */
  foreign: ReadonlyArray<{ key: string; storageUploadId: string }>
}

export async function findings(clients: Clients, expected: Expected): Promise<string[]> {
  const { world, app } = clients
  const sessions = await sessionRows(world, app.appId)
  const events = await world.sql<EventRow[]>`select * from upload_events
    where app_id = ${app.appId} order by upload_id, revision`
  return [
    ...terminalFindings(sessions, [...events], expected),
    ...(await objectFindings(clients, sessions)),
    ...(await deliveryFindings(clients, [...events])),
    ...(await quotaFindings(world, app.appId)),
    ...(await storeFindings(world, sessions, expected)),
    ...secretFindings(clients),
    ...keyFindings(clients),
    ...world.strays.map((task) => `${task}: a statement that passed the fault port by`),
  ]
}

export const sessionRows = async (world: World, appId: string): Promise<SessionRow[]> => [
  ...(await world.sql<SessionRow[]>`select * from uploads where app_id = ${appId}`),
]

function terminalFindings(
  sessions: readonly SessionRow[],
  events: readonly EventRow[],
  { told }: Expected,
): string[] {
  const found: string[] = []
  const known = new Set(sessions.map(({ upload_id }) => upload_id))
  for (const { upload_id, type } of events) {
    if (!known.has(upload_id)) found.push(`I1: ${type} of ${upload_id}, which does not exist`)
  }
  for (const { upload_id: id, state, ended_at, log_hash } of sessions) {
    const own = events.filter(({ upload_id }) => upload_id === id)
    const ends = own
      .map(({ type }) => type.replace('upload.', ''))
      .filter((it) => TERMINAL.includes(it))
    if (!TERMINAL.includes(state) || !ended_at) found.push(`I3: ${id} is left ${state}`)
    for (const end of ends) {
      if (end !== state) found.push(`I1: an event says ${end} of ${id}, which is ${state}`)
    }
    if (ends.length !== 1)
      found.push(`I4: ${id} is ${state} and has ${ends.length} terminal events`)
    for (const other of told.get(id) ?? []) {
      if (other !== state) found.push(`I3: a client was told ${other} of ${id}, which is ${state}`)
    }
    let chained = ''
    for (const { body, hash, type } of own) {
      chained = createHash('sha256')
        .update(chained + body)
        .digest('hex')
      if (chained !== hash) found.push(`I4: the log of ${id} does not chain at ${type}`)
    }
    if (chained !== log_hash) found.push(`I4: ${id} and its log end in different hashes`)
  }
  return found
}

async function objectFindings(
  { world, uploads }: Clients,
  sessions: readonly SessionRow[],
): Promise<string[]> {
  const found: string[] = []
  const store = world.bare.storeNamed('default')
  for (const { upload_id: id, state, method, object_key: key, object } of sessions) {
    if (state !== 'completed') continue
    const stored = await world.port.outside(() => store.head(key))
    if (!stored) found.push(`I2: ${id} is completed and ${key} is not in the store`)
    // An object stored by a client’s own SDK has no stamp. Its key, which holds the session’s id, stands in.
    else if (method === 'credentials' ? !key.includes(id) : stored.uploadId !== id)
      found.push(`I2: ${key} carries the stamp ${stored.uploadId}, not ${id}`)
    else if (!object || stored.sizeBytes !== object.sizeBytes)
      found.push(`I2: ${id} has another size than recorded`)
    else if (stored.etag !== object.etag) found.push(`I2: ${id} has another ETag than recorded`)
    else if (stored.checksums.crc64 !== object.checksums.crc64)
      found.push(`I2: ${id} has another CRC64`)
    if (!stored) continue
    const validity = { from: world.clock(), seconds: 60 }
    const answer = await world.fetchWhole(store.presignGet(key, 'x', validity).url)
    const upload = uploads.find((known) => known.id === id)
    const bytes = Buffer.from(await answer.arrayBuffer())
    if (upload && !wasSent(upload, bytes))
      found.push(`I2: ${id} holds bytes that were not sent last`)
  }
  return found
}

/** Each part is one of the versions that may have arrived last. */
function wasSent({ shape, versions }: Upload, bytes: Buffer): boolean {
  if (shape === 'empty') return bytes.length === 0
  let rest = bytes
  for (const part of shape === 'parts' ? [1, 2] : [1]) {
    const version = [...(versions.get(part) ?? [])].find((seed) => {
      const sent = contentOf(shape, part, seed)
      return rest.subarray(0, sent.length).equals(sent)
    })
    if (version === undefined) return false
    rest = rest.subarray(contentOf(shape, part, version).length)
  }
  return rest.length === 0
}

async function deliveryFindings(
  { world, app }: Clients,
  events: readonly EventRow[],
): Promise<string[]> {
  const found: string[] = []
  const rows = await world.sql<
    Array<{ delivery_id: string; event_id: string; target: string; state: string }>
  >`select * from deliveries where app_id = ${app.appId}`
  for (const { event_id: id, type, body } of events) {
    const owed = rows.filter(({ event_id, target }) => event_id === id && target === 'webhook')
    if (owed.length !== 1)
      found.push(`I4: ${type} ${id} has ${owed.length} deliveries to one endpoint`)
    const got = world.received.filter(({ eventId }) => eventId === id)
    if (!got.length) found.push(`I4: ${type} ${id} never arrived (${owed[0]?.state})`)
    if (got.some((one) => one.body !== body)) found.push(`I4: ${id} arrived with other bytes`)
  }
  const known = new Set(events.map(({ event_id }) => event_id))
  for (const { eventId, body } of world.received) {
    if (!known.has(eventId) && !isForgotten(world, body))
      found.push(`I1: ${eventId} arrived and stands in no log`)
  }
  for (const { delivery_id, state, target } of rows) {
    if (state !== 'delivered') found.push(`I4: the ${target} ${delivery_id} is left ${state}`)
  }
  return found
}

/** The log holds events for exactly this long. */
const isForgotten = (world: World, body: string): boolean =>
  world.clock().getTime() - Date.parse(JSON.parse(body).timestamp) > KEEP.eventDays * 86_400_000

/**
 * I5: `open` counts sessions that have not ended, `reserved` sums those that hold storage, `settled` sums completed ones. A grant
 * is used by the sessions that began under it, with the size that was stored.
 */
export async function quotaFindings(world: World, appId: string): Promise<string[]> {
  const subjects = await world.sql`
    select subject, open_uploads, usage.reserved_bytes::text as reserved, settled_bytes::text as settled,
      count(u.upload_id) filter (where u.state in ('initiating', 'open', 'completing'))::int as unended,
      coalesce(sum(u.reserved_bytes) filter (where storage_released_at is null), 0)::text as held,
      coalesce(sum((u.object->>'sizeBytes')::bigint), 0)::text as kept
    from usage left join uploads u using (app_id, subject) where app_id = ${appId}
    group by app_id, subject, open_uploads, usage.reserved_bytes, settled_bytes`
  const grants = await world.sql`
    select g.grant_id, used_uploads, used_bytes::text as used,
      count(u.upload_id)::int as uploads,
      coalesce(sum(case when u.state = 'completed' then (u.object->>'sizeBytes')::bigint
        else u.reserved_bytes end), 0)::text as bytes
    from grants g left join uploads u on u.app_id = g.app_id and u.grant_id = g.grant_id
      and not (u.state = 'failed' and u.revision = 1)
    where g.app_id = ${appId} group by g.app_id, g.grant_id, used_uploads, used_bytes`
  return [
    ...subjects
      .filter(
        (row) =>
          row.open_uploads !== row.unended || row.reserved !== row.held || row.settled !== row.kept,
      )
      .map(
        (row) =>
          `I5: the usage of ${row.subject} says ${row.open_uploads} open, ${row.reserved} reserved, ${row.settled} settled; ` +
          `its sessions say ${row.unended}, ${row.held}, ${row.kept}`,
      ),
    ...grants
      .filter((row) => row.used_uploads !== row.uploads || row.used !== row.bytes)
      .map(
        (row) =>
          `I5: the grant ${row.grant_id} says ${row.used_uploads} uploads, ${row.used} bytes; ` +
          `its sessions say ${row.uploads}, ${row.bytes}`,
      ),
  ]
}

async function jsonFiles(folder: string, within: (name: string) => string): Promise<any[]> {
  const names = await readdir(folder)
  return Promise.all(names.map(async (name) => JSON.parse(await readFile(within(name), 'utf8'))))
}

/** Reads the embedded store's disk. */
export async function storeContent(directory: string) {
  const [uploads, objects] = [join(directory, 'uploads'), join(directory, 'objects')]
  return {
    uploads: (await jsonFiles(uploads, (id) => join(uploads, id, 'upload.json'))) as Array<{
      id: string
      key: string
    }>,
    objects: (await jsonFiles(objects, (name) => join(objects, name))) as Array<{
      key: string
      pieces: Array<{ dataId: string }>
    }>,
    data: await readdir(join(directory, 'data')),
  }
}

async function storeFindings(
  world: World,
  sessions: readonly SessionRow[],
  { foreign }: Expected,
): Promise<string[]> {
  const { uploads, objects, data } = await storeContent(world.directory)
  const found: string[] = []
  const others = new Set(foreign.map(({ storageUploadId }) => storageUploadId))
  for (const { id, key } of uploads) {
    if (!others.delete(id)) found.push(`I6: a storage upload of ${key} is left`)
  }
  for (const id of others) found.push(`I6: the foreign storage upload ${id} was aborted`)
  const completed = sessions.filter(({ state }) => state === 'completed')
  // A session’s own object, and the results that its policy asks the store for.
  const expected = new Set(
    completed.flatMap(({ object_key, processing }) => [
      object_key,
      ...(processing ?? []).map(({ key }) => key),
    ]),
  )
  const present = new Set(objects.map(({ key }) => key))
  const named = new Set(objects.flatMap(({ pieces }) => pieces.map(({ dataId }) => dataId)))
  for (const key of present) {
    if (!expected.has(key) && !world.foreignObjects.has(key))
      found.push(`I6: the object ${key} belongs to no completed session`)
  }
  for (const key of [...expected, ...world.foreignObjects]) {
    if (!present.has(key)) found.push(`I6: the object ${key} is gone`)
  }
  for (const id of data) if (!named.has(id)) found.push(`I6: the bytes ${id} belong to no object`)
  return found
}

const LOOKS_SECRET = /\beyJ[\w-]+\.[\w-]+|\bcsk_\w|\bwhsec_\w|\bBearer \w|x-oss-signature=/i

function secretFindings({ world, app }: Clients): string[] {
  const problems = world.answers.filter(({ status }) => status >= 400)
  const texts = [...world.lines, ...problems.map(({ text }) => text)]
  return texts
    .filter((text) => LOOKS_SECRET.test(text) || app.secrets.some((it) => it && text.includes(it)))
    .map((text) => `I7: a secret stands in: ${text.slice(0, 300)}`)
}

function keyFindings({ keys }: Clients): string[] {
  const found: string[] = []
  for (const [name, ids] of keys) {
    const times = [...ids.values()].sort((a, b) => a - b)
    const tooNear = times.some((at, index) => index > 0 && at - times[index - 1]! < KEY_KEPT_MS)
    if (tooNear) found.push(`I8: ${name} was answered with ${[...ids.keys()].join(' and ')}`)
  }
  return found
}
