// Steps of clients in the flows, beyond the commands of the random scripts: streams, forms, grants, temporary credentials.
import { holderOf } from '../support/holder.ts'
import { type Clients, call, contentOf, PART_SIZE, SHAPES, type Shape } from './commands.ts'
import type { Instance } from './fault-port.ts'
import { newest, type Step } from './step.ts'

type Body = Record<string, any>

/** Records a session from the answer to its creation. */
function adopt(clients: Clients, id: string, shape: Shape, body: Body): void {
  if (clients.uploads.some((known) => known.id === id)) return
  type Signed = {
    partNumber: number
    url: string
    headers: Record<string, string>
    sizeBytes: number
  }
  const parts: Signed[] = body.parts ?? []
  clients.app.secrets.push(body.uploadToken, body.completionToken)
  clients.uploads.push({
    slot: clients.uploads.length,
    id,
    key: body.key,
    subject: 'ada',
    shape,
    versions: new Map(),
    arrived: new Map(),
    uploadToken: body.uploadToken,
    completionToken: body.completionToken,
    parts: new Map(parts.map((part) => [part.partNumber, part])),
    partsExpireAt: Date.parse(body.partsExpireAt ?? body.expiresAt),
    expiresAt: Date.parse(body.expiresAt),
  })
}

async function create(
  clients: Clients,
  instance: Instance,
  credential: string,
  shape: Shape,
  more: Body,
): Promise<void> {
  const given = { filename: `${shape}.bin`, sizeBytes: SHAPES[shape], partSizeBytes: PART_SIZE }
  const body = { ...given, ...more }
  const reply = await call(clients, instance, 'POST', '/v1/uploads', credential, body)
  if (reply.status < 300) adopt(clients, reply.body.id, shape, reply.body)
}

/** Creates a session with these further fields. */
export const begin = (shape: Shape, more: Body = {}): Step => ({
  step: 'create',
  act: (clients, instance) =>
    create(clients, instance, clients.app.apiKey, shape, { subject: 'ada', ...more }),
})

/** The last part of a stream is signed for its own length. */
export const sendStream: Step = {
  step: 'send a stream',
  async act(clients, instance) {
    const { world } = clients
    const { id, uploadToken, versions } = newest(clients)
    const last = { partNumber: 2, sizeBytes: SHAPES.parts - PART_SIZE }
    const body = { partNumbers: [1, 2], last }
    const path = `/v1/uploads/${id}/parts`
    const reply = await call(clients, instance, 'POST', path, uploadToken, body)
    for (const { partNumber, url, headers } of reply.body.parts ?? []) {
      versions.set(partNumber, new Set([0]))
      const content = contentOf('parts', partNumber, 0)
      await world.port.cross('client', 'client.put', () =>
        world.fetchWhole(url, { method: 'PUT', headers, body: content }),
      )
    }
  },
}

/** Completes a stream, whose size is known now. */
export const completeStream: Step = {
  step: 'complete a stream',
  act(clients, instance) {
    const { id, completionToken } = newest(clients)
    const body = { sizeBytes: SHAPES.parts }
    return call(clients, instance, 'POST', `/v1/uploads/${id}/complete`, completionToken, body)
  },
}

/** Posts a newly signed form, as a reloaded page does. */
export const sendForm: Step = {
  step: 'send a form',
  async act(clients, instance) {
    const { world, app } = clients
    const { id, versions } = newest(clients)
    const { body } = await call(clients, instance, 'GET', `/v1/uploads/${id}`, app.apiKey)
    if (!body.form) return
    app.secrets.push(body.uploadToken, body.completionToken)
    const form = new FormData()
    for (const [name, value] of Object.entries(body.form.fields)) form.set(name, String(value))
    form.set('file', new Blob([contentOf('single', 1, 0)]))
    versions.set(1, new Set([0]))
    await world.port.cross('client', 'client.form', () =>
      world.fetchWhole(body.form.url, { method: 'POST', body: form }),
    )
  },
}

const grants = new WeakMap<Clients, { id: string; grant: string }>()

export const askForGrant: Step = {
  step: 'ask for a grant',
  async act(clients, instance) {
    const body = { subject: 'ada', maxUploads: 5, maxBytes: 50_000_000, ttlSeconds: 86_400 }
    const reply = await call(clients, instance, 'POST', '/v1/grants', clients.app.apiKey, body)
    if (reply.status !== 201) return
    grants.set(clients, reply.body as { id: string; grant: string })
    clients.app.secrets.push(reply.body.grant)
  },
}

export const beginUnderGrant = (more: Body = {}): Step => ({
  step: 'create under a grant',
  async act(clients, instance) {
    const given = grants.get(clients)
    if (given) await create(clients, instance, given.grant, 'parts', more)
  },
})

/** Also aborts the grant's open sessions. */
export const revokeGrant: Step = {
  step: 'revoke the grant',
  async act(clients, instance) {
    const path = `/v1/grants/${grants.get(clients)!.id}?abort=true`
    await call(clients, instance, 'DELETE', path, clients.app.apiKey)
  },
}

const credentials = new WeakMap<Clients, Body>()

/** Their answers look the same. The first one creates the session. */
async function credentialsFor(clients: Clients, instance: Instance, body: Body): Promise<void> {
  const { app } = clients
  const reply = await call(clients, instance, 'POST', '/v1/credentials', app.apiKey, body)
  if (reply.status !== 201) return
  app.secrets.push(reply.body.secretAccessKey, reply.body.sessionToken)
  credentials.set(clients, reply.body)
  adopt(clients, reply.body.uploadId, 'single', reply.body)
}

export const beginWithCredentials: Step = {
  step: 'create with credentials',
  act: (clients, instance) =>
    credentialsFor(clients, instance, {
      subject: 'ada',
      filename: 'a.bin',
      sizeBytes: SHAPES.single,
    }),
}

export const renewCredentials: Step = {
  step: 'renew credentials',
  async act(clients, instance) {
    const { id } = newest(clients) ?? {}
    if (id) await credentialsFor(clients, instance, { uploadId: id })
  },
}

/** Uploads as a client's own SDK does, with temporary credentials alone. */
async function bySdk(
  clients: Clients,
  method: 'PUT' | 'POST',
  query: [string, string][],
  body?: Uint8Array<ArrayBuffer>,
): Promise<string> {
  const { world } = clients
  const issued = credentials.get(clients)!
  const { url, headers } = holderOf(issued).byHeader(
    { method, key: issued.key, query },
    world.clock(),
  )
  const answer = await world.port.cross('client', `client.sdk ${method}`, () =>
    world.fetchWhole(url, { method, headers, body }),
  )
  return answer.text()
}

export const putBySdk: Step = {
  step: 'put with credentials',
  async act(clients) {
    newest(clients).versions.set(1, new Set([0]))
    await bySdk(clients, 'PUT', [], contentOf('single', 1, 0))
  },
}

/** Sends far more than was declared, because no signature binds the length of an SDK's request. */
export const putTooMuchBySdk: Step = {
  step: 'put too much with credentials',
  async act(clients) {
    const begun = await bySdk(clients, 'POST', [['uploads', '']])
    const uploadId = /<UploadId>(\w+)/.exec(begun)![1]!
    for (const partNumber of ['1', '2']) {
      const query: [string, string][] = [
        ['partNumber', partNumber],
        ['uploadId', uploadId],
      ]
      await bySdk(clients, 'PUT', query, contentOf('parts', 1, 0))
    }
  },
}
