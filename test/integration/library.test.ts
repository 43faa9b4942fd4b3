// The library form in someone else's app: however the path it is mounted at reaches it, URLs, callbacks and logs are right.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Hono } from 'hono'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ConfigError, type Countersign, countersign } from '../../src/library.ts'
import { type EmbeddedStore, startEmbeddedStore } from '../../src/storage/embedded/index.ts'
import { putPart, someBytes } from '../support/harness.ts'
import { freshDatabase } from '../support/postgres.ts'
import { startReceiver } from '../support/receiver.ts'
import { ADMIN_KEY, storeVariables } from '../support/worker-target.ts'

const PUBLIC_URL = 'http://countersign.test/uploads'
const SIZE = 150 * 1024
const PART = 100 * 1024

let directory: string
let fresh: Awaited<ReturnType<typeof freshDatabase>>
let store: EmbeddedStore
let uploads: Countersign
let variables: Record<string, string>
const lines: string[] = []

type Answer = (request: Request) => Response | Promise<Response>
/** Where the store's callback arrives: the app under test. */
let reached: Answer

const WAYS: Record<string, (uploads: Countersign) => Answer> = {
  'app.route': (mounted) => new Hono().route('/uploads', mounted).fetch,
  'app.mount': (mounted) => new Hono().mount('/uploads', mounted.fetch).fetch,
  'a server that leaves the path on': (mounted) => (request) => mounted.fetch(request),
  'a proxy that takes the path off': (mounted) => (request) =>
    mounted.fetch(new Request(request.url.replace('/uploads/', '/'), request)),
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'countersign-library-'))
  fresh = await freshDatabase()
  store = await startEmbeddedStore({
    directory,
    host: '127.0.0.1',
    port: 0,
    bucket: 'bucket',
    region: 'local',
    accessKeyId: 'id',
    secretAccessKey: 'secret',
    clock: () => new Date(),
    fetch: async (input, init) => {
      const answer = await reached(new Request(input, init))
      const { status, headers } = answer
      return new Response(await answer.arrayBuffer(), { status, headers: new Headers(headers) })
    },
    log: () => {},
  })
  variables = { ...storeVariables(store), DATABASE_URL: fresh.serviceUrl, PUBLIC_URL }
  uploads = countersign(variables, { log: (line) => void lines.push(line) })
})
afterAll(async () => {
  await uploads.close()
  await store.close()
  await fresh.drop()
  await rm(directory, { recursive: true, force: true })
})

async function call(method: string, path: string, credential: string, body?: unknown) {
  const response = await reached(
    new Request(`${PUBLIC_URL}${path}`, {
      method,
      headers: { authorization: `Bearer ${credential}`, 'content-type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
    }),
  )
  const { status, headers } = response
  return { status, headers, body: (await response.json()) as Record<string, any> }
}

describe.each(Object.entries(WAYS))('behind %s', (_way, mount) => {
  beforeAll(() => {
    reached = mount(uploads)
  })

  it('URLs carry the path, and a direct completion is called back under it', async () => {
    const policy = { direct: true }
    const app = (await call('POST', '/v1/apps', ADMIN_KEY, { name: 'mine', policy })).body
    const asked = { subject: 'ada', filename: 'a', sizeBytes: SIZE, partSizeBytes: PART }
    const { body: created, headers } = await call('POST', '/v1/uploads', app.apiKey, asked)
    for (const part of created.parts) await putPart(part, someBytes(SIZE), PART)
    const path = `/v1/uploads/${created.id}/complete`

    const { body } = await call('POST', path, created.completionToken, { mode: 'direct' })
    const { url } = body.direct
    const relayed = await fetch(url, { method: 'POST', headers: body.direct.headers })

    expect(headers.get('location')).toBe(`${PUBLIC_URL}/v1/uploads/${created.id}`)
    expect(created.complete.url).toBe(`${PUBLIC_URL}${path}`)
    expect(await relayed.json()).toMatchObject({ id: created.id, state: 'completed' })
  })

  it('a problem is a problem, and a grant in the path stays out of the log', async () => {
    const refused = await call('GET', '/v1/uploads', 'nonsense')
    expect(refused).toMatchObject({ status: 401, body: { code: 'unauthenticated' } })
    const asked = await call('GET', '/oss/credentials/a-secret-grant', 'x')
    expect(asked.body).toMatchObject({ StatusCode: 500 })
    expect(lines.at(-1)).toContain('/oss/credentials/')
    expect(lines.at(-1)).not.toContain('a-secret-grant')
  })
})

it('names all that is missing at once, and opens nothing', () => {
  expect(() => countersign({})).toThrow(ConfigError)
  const names = ['DATABASE_URL', 'PUBLIC_URL', 'STORE_DIALECT', 'ADMIN_KEY', 'SECRET_KEYS']
  for (const name of names) expect(() => countersign({})).toThrow(name)
})

it('delivers when its schedule is called, and by itself once started', async () => {
  reached = (request) => uploads.fetch(request)
  const receiver = await startReceiver()
  const app = (await call('POST', '/v1/apps', ADMIN_KEY, { name: 'mine' })).body
  const endpoint = { url: receiver.url, events: ['upload.created'] }
  await call('POST', '/v1/webhook-endpoints', app.apiKey, endpoint)
  const asked = { subject: 'ada', filename: 'a', sizeBytes: SIZE }

  await call('POST', '/v1/uploads', app.apiKey, asked)
  expect(receiver.received).toHaveLength(0)
  await uploads.scheduled()
  expect(receiver.received).toHaveLength(1)

  await uploads.start()
  await call('POST', '/v1/uploads', app.apiKey, asked)
  await receiver.arrived(2)
  await uploads.close()
  await receiver.stop()
})
