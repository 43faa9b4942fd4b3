// The commands of a script, and how clients run them: over the API and directly at the store, as real clients do.
import { crc64 } from '../../src/bytes/crc64.ts'
import { type Faulted, type Instance, NoAnswer } from './fault-port.ts'
import type { RunApp, World } from './world.ts'

export const KiB = 1024
export const SHAPES = { parts: 110 * KiB, single: 700, empty: 0 } as const
export type Shape = keyof typeof SHAPES
export const PART_SIZE = 100 * KiB
/** Longer than the lease of a completion or an initiate. */
const IN_FLIGHT_MINUTES = 2
const SUBJECTS = ['ada', 'bo'] as const

export type Command = { via?: number } & (
  | { do: 'create'; who: number; shape: Shape; key?: number }
  | { do: 'sign' | 'post'; slot: number }
  | { do: 'complete' | 'direct'; slot: number; file?: number }
  | { do: 'resume'; slot: number; key?: number }
  | { do: 'callback' | 'abort' | 'get' | 'lose' | 'upload'; slot: number }
  | { do: 'put'; slot: number; part: number; version: number }
  | { do: 'advance'; minutes: number }
  | { do: 'sweep' | 'deliver' }
  | { do: 'replay'; nth: number }
)

export interface SignedPart {
  url: string
  headers: Record<string, string>
  sizeBytes: number
}

/** What a client knows about a session, and what it has sent. */
export interface Upload {
  slot: number
  id: string
  key: string
  subject: string
  shape: Shape
  /** For each part, the seeds of all bytes that may be stored. */
  versions: Map<number, Set<number>>
  /** Of those, the seeds that have arrived. Anything sent later replaces them. */
  arrived: Map<number, Map<number, symbol>>
  uploadToken: string
  completionToken: string
  parts: Map<number, SignedPart>
  partsExpireAt: number
  expiresAt: number
  direct?: { method: string; url: string; headers: Record<string, string> }
}

/** The answer, or none. `text` is `<status> <state or code>`. */
export interface Observation {
  slot?: number
  command: Command
  text: string
  state?: string
  faults: string[]
}

export interface Clients {
  world: World
  app: RunApp
  uploads: Upload[]
  /** Sessions that each Idempotency-Key of a subject was answered with, and since when the key stood for each. */
  keys: Map<string, Map<string, number>>
}

/** Pseudorandom bytes: the same seed gives the same bytes. */
export function contentOf(shape: Shape, part: number, version: number): Uint8Array<ArrayBuffer> {
  const sizes = { parts: part === 1 ? PART_SIZE : SHAPES.parts - PART_SIZE, single: 700, empty: 0 }
  const bytes = new Uint8Array(sizes[shape])
  let state = part * 7919 + version * 104_729 + 1
  for (let index = 0; index < bytes.length; index++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    bytes[index] = state >>> 24
  }
  return bytes
}

/** What a client declares that completes this version of the file; only of what is made of parts. */
function declaredOf({ shape }: Upload, file: number | undefined): { checksum?: string } {
  if (shape !== 'parts' || file === undefined) return {}
  const [first, second] = [contentOf(shape, 1, file), contentOf(shape, 2, file)]
  return { checksum: `crc64:${crc64(Buffer.concat([first, second]))}` }
}

interface Reply {
  status: number
  body: Record<string, any>
  faults: string[]
}

/** Sends one request of a client. Rejects if no answer arrives. */
export async function call(
  { world }: Clients,
  instance: Instance,
  method: string,
  path: string,
  credential: string,
  body?: unknown,
  more: Record<string, string> = {},
): Promise<Reply> {
  const headers = {
    authorization: `Bearer ${credential}`,
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    ...more,
  }
  const text = body === undefined ? undefined : JSON.stringify(body)
  const answer = await world.port.around('client.request', () =>
    world.request(instance, method, `http://countersign.test${path}`, headers, text),
  )
  const isJson = answer.headers.get('content-type')?.includes('json')
  return {
    status: answer.status,
    body: isJson ? JSON.parse(answer.text) : {},
    faults: answer.faults,
  }
}

const said = ({ status, body }: Reply) => `${status} ${body.code ?? body.state ?? ''}`.trim()

function learn(clients: Clients, upload: Upload, body: Record<string, any>): void {
  if (body.uploadToken) upload.uploadToken = body.uploadToken
  if (body.completionToken) upload.completionToken = body.completionToken
  for (const token of [body.uploadToken, body.completionToken]) {
    if (token) clients.app.secrets.push(token)
  }
  if (!body.parts?.length || !body.parts[0].url) return
  for (const part of body.parts) upload.parts.set(part.partNumber, part)
  upload.partsExpireAt = Date.parse(body.partsExpireAt ?? body.expiresAt)
}

async function create(
  clients: Clients,
  instance: Instance,
  subject: string,
  shape: Shape,
  extra: { key?: number; fingerprint?: string; resume?: boolean },
): Promise<Observation & { reply: Reply }> {
  const { key, fingerprint, resume } = extra
  const command: Command = { do: 'create', who: 0, shape }
  const body = {
    filename: `${shape}.bin`,
    sizeBytes: SHAPES[shape],
    partSizeBytes: PART_SIZE,
    subject,
    fingerprint: fingerprint ?? `${shape}-${subject}`,
    ...(resume ? { resume } : {}),
  }
  const headers: Record<string, string> =
    key === undefined ? {} : { 'idempotency-key': `${resume ? 'again' : 'key'}-${key}-${shape}` }
  const { apiKey } = clients.app
  const reply = await call(clients, instance, 'POST', '/v1/uploads', apiKey, body, headers)
  const { id } = reply.body
  if (reply.status > 201) return { command, text: said(reply), faults: reply.faults, reply }
  if (key !== undefined) {
    const name = `${subject} ${headers['idempotency-key']}`
    const since = await keptSince(clients, subject, headers['idempotency-key']!, id)
    clients.keys.set(name, (clients.keys.get(name) ?? new Map()).set(id, since))
  }
  let upload = clients.uploads.find((known) => known.id === id)
  if (!upload) {
    upload = {
      slot: clients.uploads.length,
      id,
      key: reply.body.key,
      subject,
      shape,
      versions: new Map(),
      arrived: new Map(),
      uploadToken: '',
      completionToken: '',
      parts: new Map(),
      partsExpireAt: 0,
      expiresAt: Date.parse(reply.body.expiresAt),
    }
    clients.uploads.push(upload)
  }
  learn(clients, upload, reply.body)
  const { state } = reply.body
  return { command, slot: upload.slot, text: said(reply), state, faults: reply.faults, reply }
}

/** Since when the key stands for the session; its creation where it has been taken for another one since. */
async function keptSince(
  { world, app }: Clients,
  subject: string,
  key: string,
  id: string,
): Promise<number> {
  const [row] = await world.port.outside(
    () => world.sql<Array<{ since: Date }>>`
      select coalesce(k.created_at, u.created_at) as since
      from uploads u left join idempotency_keys k
        on k.app_id = u.app_id and k.upload_id = u.upload_id and k.subject = ${subject} and k.idempotency_key = ${key}
      where u.app_id = ${app.appId} and u.upload_id = ${id}`,
  )
  return row!.since.getTime()
}

/** Signs again if the current URLs have expired, as a client does. */
async function freshParts(clients: Clients, instance: Instance, upload: Upload): Promise<void> {
  const { world } = clients
  if (upload.partsExpireAt - 5_000 > world.clock().getTime()) return
  await sign(clients, instance, upload)
  if (upload.partsExpireAt - 5_000 > world.clock().getTime()) return
  await askAndSign(clients, instance, upload)
}

/** Gets the session and signs again: its storage upload may be another now, and its token a new one. */
async function askAndSign(clients: Clients, instance: Instance, upload: Upload): Promise<void> {
  const path = `/v1/uploads/${upload.id}`
  const { body } = await call(clients, instance, 'GET', path, clients.app.apiKey)
  learn(clients, upload, body)
  await sign(clients, instance, upload)
}

async function sign(clients: Clients, instance: Instance, upload: Upload): Promise<Reply> {
  const path = `/v1/uploads/${upload.id}/parts`
  const count = upload.shape === 'parts' ? 2 : 1
  const reply = await call(clients, instance, 'POST', path, upload.uploadToken, { from: 1, count })
  learn(clients, upload, reply.body)
  return reply
}

async function put(
  clients: Clients,
  instance: Instance,
  upload: Upload,
  command: Command & { do: 'put' },
): Promise<Observation> {
  const { world } = clients
  const { version } = command
  const part = upload.shape === 'parts' ? command.part : 1
  const seen = { command: { ...command, part }, slot: upload.slot, faults: [] as string[] }
  if (upload.shape === 'empty') return { ...seen, text: 'nothing to send' }
  await freshParts(clients, instance, upload)
  const signed = upload.parts.get(part)
  if (!signed) return { ...seen, text: 'no URL' }
  const may = upload.versions.get(part) ?? new Set<number>()
  upload.versions.set(part, may.add(version))
  const arrived = upload.arrived.get(part) ?? new Map<number, symbol>()
  upload.arrived.set(part, arrived)
  arrived.delete(version)
  const earlier = [...arrived]
  const send = async ({ url, headers }: SignedPart) => {
    const body = contentOf(upload.shape, part, version)
    const answer = await world.port.cross('client', 'client.put', () =>
      world.fetchWhole(url, { method: 'PUT', headers, body }),
    )
    return answer.status
  }
  let status = await send(signed)
  if (status === 404) {
    await askAndSign(clients, instance, upload)
    status = await send(upload.parts.get(part)!)
  }
  if (status !== 200) return { ...seen, text: String(status) }
  for (const [replaced, sending] of earlier) {
    // Another attempt to send it may have arrived after this one.
    if (arrived.get(replaced) !== sending) continue
    may.delete(replaced)
    arrived.delete(replaced)
  }
  arrived.set(version, Symbol('sending'))
  return { ...seen, text: '200', state: 'stored' }
}

async function post(clients: Clients, upload: Upload, command: Command): Promise<Observation> {
  const { world } = clients
  const seen = { command, slot: upload.slot, faults: [] as string[] }
  const { direct } = upload
  if (!direct) return { ...seen, text: 'not signed' }
  clients.app.secrets.push(new URL(direct.url).searchParams.get('x-oss-signature') ?? direct.url)
  const answer = await world.port.cross('client', 'client.complete', () =>
    world.fetchWhole(direct.url, { method: direct.method, headers: direct.headers }),
  )
  const text = await answer.text()
  // The store relays our answer. In it, "completing" only says that the outcome was not known in time.
  const relayed = answer.status === 200 && text.startsWith('{') ? JSON.parse(text).state : undefined
  const state = relayed === 'completed' ? relayed : undefined
  return { ...seen, text: `${answer.status} ${state ?? ''}`.trim(), state }
}

/** Runs the command. A client without an answer observes `no answer`. */
export async function perform(clients: Clients, command: Command): Promise<Observation[]> {
  const { world } = clients
  try {
    const { value, faults } = await world.port.run(command.do, undefined, () =>
      act(clients, command, world.instance(command.via ?? 0)),
    )
    return value.map((seen) => ({ ...seen, faults: [...seen.faults, ...faults] }))
  } catch (error) {
    const slot = 'slot' in command ? slotOf(clients, command.slot)?.slot : undefined
    const faults = (error as Faulted).faults ?? []
    if (!faults.length && !(error instanceof NoAnswer)) throw error
    return [{ command, slot, text: 'no answer', faults: faults.length ? faults : ['no answer'] }]
  }
}

const slotOf = ({ uploads }: Clients, slot: number): Upload | undefined =>
  uploads.length ? uploads[slot % uploads.length] : undefined

async function act(clients: Clients, command: Command, instance: Instance): Promise<Observation[]> {
  const { world, app } = clients
  switch (command.do) {
    case 'create': {
      const { who, shape, key } = command
      const { reply: _, ...seen } = await create(clients, instance, SUBJECTS[who]!, shape, { key })
      return [{ ...seen, command }]
    }
    case 'advance': {
      const jump = async () => world.advance(command.minutes * 60_000)
      // Between the awaits of the others, as far as a request may take so long; a signature does not outlive more.
      if (command.minutes <= IN_FLIGHT_MINUTES) await world.port.outside(jump)
      else await jump()
      return [{ command, text: '', faults: [] }]
    }
    case 'sweep':
      return [{ command, text: '', faults: (await world.sweep(instance)).faults }]
    case 'deliver':
      return [{ command, text: '', faults: (await world.deliver(instance)).faults }]
    case 'replay': {
      const [row] = await world.port.outside(
        () => world.sql`select delivery_id from deliveries where app_id = ${app.appId}
          order by created_at, delivery_id offset ${command.nth} limit 1`,
      )
      if (!row) return []
      const path = `/v1/deliveries/${row.delivery_id}/replay`
      const { status, faults } = await call(clients, instance, 'POST', path, app.apiKey)
      return [{ command, text: String(status), faults }]
    }
    default: {
      const upload = slotOf(clients, command.slot)
      return upload ? actOn(clients, command, instance, upload) : []
    }
  }
}

type OnUpload = Exclude<Command, { do: 'create' | 'advance' | 'sweep' | 'deliver' | 'replay' }>

async function actOn(
  clients: Clients,
  command: OnUpload,
  instance: Instance,
  upload: Upload,
): Promise<Observation[]> {
  const { world, app } = clients
  const { slot, subject, shape } = upload
  const path = `/v1/uploads/${upload.id}`
  const seen = (reply: Reply): Observation[] => {
    learn(clients, upload, reply.body)
    const state = reply.status < 300 ? reply.body.state : undefined
    return [{ command, slot, text: said(reply), state, faults: reply.faults }]
  }
  switch (command.do) {
    case 'resume': {
      const { reply: _, ...found } = await create(clients, instance, subject, shape, {
        resume: true,
        key: command.key,
      })
      return [{ ...found, command }]
    }
    case 'get':
      return seen(await call(clients, instance, 'GET', path, app.apiKey))
    case 'sign':
      return seen(await sign(clients, instance, upload))
    case 'put':
      return [await put(clients, instance, upload, command)]
    case 'upload': {
      const parts = shape === 'parts' ? [1, 2] : [1]
      const results: Observation[] = []
      for (const part of parts) {
        const one = { do: 'put' as const, slot: command.slot, part, version: 0 }
        results.push(await put(clients, instance, upload, one))
      }
      return results
    }
    case 'complete': {
      const ended = upload.expiresAt <= world.clock().getTime()
      const credential = ended ? app.apiKey : upload.completionToken
      const body = declaredOf(upload, command.file)
      return seen(await call(clients, instance, 'POST', `${path}/complete`, credential, body))
    }
    case 'direct': {
      const body = { mode: 'direct', ...declaredOf(upload, command.file) }
      const reply = await call(clients, instance, 'POST', `${path}/complete`, app.apiKey, body)
      if (!reply.body.direct) return seen(reply)
      upload.direct = reply.body.direct
      const completed = await post(clients, upload, command)
      return [{ ...completed, faults: [...reply.faults, ...completed.faults] }]
    }
    case 'post':
      return [await post(clients, upload, command)]
    case 'callback': {
      const captured = world.callbacks.at(-1)
      if (!captured) return []
      const { url, headers, body } = captured
      const answer = await world.port.around('client.request', () =>
        world.request(instance, 'POST', url, headers, body),
      )
      return [{ command, text: String(answer.status), faults: answer.faults }]
    }
    case 'abort':
      return seen(await call(clients, instance, 'DELETE', path, app.apiKey))
    case 'lose': {
      const store = world.bare.storeNamed('default')
      await world.port.outside(async () => {
        for (const left of await store.listUploads(upload.key)) await store.abort(left)
      })
      return [{ command, slot, text: '', faults: [] }]
    }
    default:
      return command satisfies never
  }
}
