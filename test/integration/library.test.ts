// The library form mounted in another app: its URLs, callbacks and logs are right whether or not the app strips the path.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Hono } from 'hono'
import postgres from 'postgres'
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  it,
  type MockInstance,
  vi,
} from 'vitest'
import { migrate } from '../../src/db/migrate.ts'
import { type EmbeddedStore, startEmbeddedStore } from '../../src/embedded/store/index.ts'
import { ConfigError, type Countersign, countersign } from '../../src/node/library.ts'
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
/** The app under test, which receives the store's callback. */
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
    serviceUrls: () => [PUBLIC_URL],
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

  it('the type of a problem leads to its section of the page', async () => {
    const { body } = await call('GET', '/v1/uploads', 'nonsense')
    const type = new URL(body.type, `${PUBLIC_URL}/v1/uploads`)
    const page = await reached(new Request(type))

    expect(type.href).toBe(`${PUBLIC_URL}/docs/problems#unauthenticated`)
    expect(page.status).toBe(200)
    expect(await page.text()).toContain('<section id="unauthenticated">')
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

it('names all missing settings at once, and opens nothing', () => {
  expect(() => countersign({})).toThrow(ConfigError)
  const names = ['DATABASE_URL', 'PUBLIC_URL', 'STORE_DIALECT', 'ADMIN_KEY', 'SECRET_KEYS']
  for (const name of names) expect(() => countersign({})).toThrow(name)
})

/** Registers an app whose webhooks go to the receiver. */
async function appAt(receiver: { url: string }) {
  const app = (await call('POST', '/v1/apps', ADMIN_KEY, { name: 'mine' })).body
  const endpoint = { url: receiver.url, events: ['upload.created'] }
  await call('POST', '/v1/webhook-endpoints', app.apiKey, endpoint)
  const asked = { subject: 'ada', filename: 'a', sizeBytes: SIZE }
  const create = async () => (await call('POST', '/v1/uploads', app.apiKey, asked)).body
  return { create, apiKey: app.apiKey as string }
}

it('delivers when its schedule is called, and by itself once started', async () => {
  reached = (request) => uploads.fetch(request)
  const receiver = await startReceiver()
  const { create } = await appAt(receiver)

  await create()
  expect(receiver.received).toHaveLength(0)
  await uploads.scheduled()
  expect(receiver.received).toHaveLength(1)

  await uploads.start()
  await create()
  await receiver.arrived(2)
  await uploads.close()
  await receiver.stop()
})

describe('start and close', () => {
  let begun: MockInstance<typeof setInterval>
  let ended: MockInstance<typeof clearInterval>
  beforeEach(() => {
    reached = (request) => uploads.fetch(request)
    begun = vi.spyOn(globalThis, 'setInterval')
    ended = vi.spyOn(globalThis, 'clearInterval')
  })
  afterEach(() => vi.restoreAllMocks())

  /** Each of the three jobs has its own timer. */
  const timers = () => begun.mock.results.map(({ value }) => value)
  const running = () => timers().filter((timer) => !ended.mock.calls.flat().includes(timer))

  it('two concurrent starts count as one, and one close ends it', async () => {
    await Promise.all([uploads.start(), uploads.start()])
    expect(running()).toHaveLength(3)
    await uploads.start()
    expect(running()).toHaveLength(3)

    await uploads.close()

    expect(running()).toEqual([])
  })

  it('a close during a start ends what the start began', async () => {
    const started = uploads.start()

    await uploads.close()
    await started

    expect(timers()).toHaveLength(3)
    expect(running()).toEqual([])
  })

  it('it works when started again during a close, because the last call counts', async () => {
    const receiver = await startReceiver()
    const { create } = await appAt(receiver)
    await uploads.start()
    const release = receiver.hold()
    await create()
    await receiver.arrived(1)

    const calls = [uploads.close(), uploads.start()]
    // A start that does not wait for the close would have finished by now.
    await migrate(fresh.url)
    release()
    await Promise.all(calls)
    await create()
    await receiver.arrived(2)
    await Promise.all([uploads.close(), uploads.start(), uploads.close()])

    expect(running()).toEqual([])
    await receiver.stop()
  })

  it('a second close takes no connection from the work that the first one waits for', async () => {
    const receiver = await startReceiver()
    const { create, apiKey } = await appAt(receiver)
    await uploads.start()
    const release = receiver.hold()
    const { id } = await create()
    await receiver.arrived(1)

    const calls = [uploads.close(), uploads.close()]
    await migrate(fresh.url)
    release()
    await Promise.all(calls)

    const { body } = await call('GET', `/v1/uploads/${id}/deliveries`, apiKey)
    expect(body.deliveries).toMatchObject([{ state: 'delivered' }])
    await receiver.stop()
  })

  it('a start that failed may be tried again', async () => {
    const sql = postgres(fresh.url, { max: 1, onnotice: () => {} })
    const [schema] =
      await sql`select schemaname from pg_tables where tablename = '__drizzle_migrations'`
    await sql`alter table ${sql(schema!.schemaname)}.__drizzle_migrations rename to kept`
    await expect(uploads.start()).rejects.toThrow()
    await sql`drop table if exists ${sql(schema!.schemaname)}.__drizzle_migrations`
    await sql`alter table ${sql(schema!.schemaname)}.kept rename to __drizzle_migrations`

    await uploads.start()

    expect(running()).toHaveLength(3)
    await uploads.close()
    await sql.end()
  })
})

describe('the schedule', () => {
  let sql: postgres.Sql
  let mine: Countersign
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['Date'], now: new Date('2040-05-15T12:00:00Z') })
    sql = postgres(fresh.url, { max: 1, onnotice: () => {} })
    mine = countersign(variables, { log: (line) => void lines.push(line) })
    reached = (request) => mine.fetch(request)
  })
  afterEach(async () => {
    vi.useRealTimers()
    await mine.close()
    await sql.end()
  })

  const pass = (minutes: number) => vi.setSystemTime(Date.now() + minutes * 60_000)
  /** Housekeeping makes the partitions of this month and the next two. */
  const houseIsKept = async () =>
    (await sql`select to_regclass('upload_events_2040_07') as made`)[0]!.made !== null
  const unkeepHouse = () => sql`drop table if exists upload_events_2040_07`

  it('runs housekeeping once an hour, however often it is called', async () => {
    await mine.scheduled()
    expect(await houseIsKept()).toBe(true)
    await unkeepHouse()

    pass(59)
    await mine.scheduled()
    expect(await houseIsKept()).toBe(false)
    pass(1)
    await mine.scheduled()

    expect(await houseIsKept()).toBe(true)
  })

  it('still sweeps and runs housekeeping if deliveries fail, and logs the failure', async () => {
    const receiver = await startReceiver()
    const { create, apiKey } = await appAt(receiver)
    const { id } = await create()
    await unkeepHouse()
    await sql`alter table attempts rename to attempts_away`
    pass(25 * 60)

    await mine.scheduled()

    await sql`alter table attempts_away rename to attempts`
    const messages = lines.map((line) => JSON.parse(line).message)
    expect(messages).toContain('delivery failed')
    expect((await call('GET', `/v1/uploads/${id}`, apiKey)).body.state).toBe('expired')
    expect(await houseIsKept()).toBe(true)
    await receiver.stop()
  })
})
