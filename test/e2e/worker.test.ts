// The Worker in a real workerd: the shared suite, then promises that are specific to the Worker.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import postgres from 'postgres'
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest'
import { monthAfter, monthOf } from '../../src/core/retention.ts'
import { PAGE_HEADERS } from '../../src/ui/headers.ts'
import { cachingPool } from '../support/caching-pool.ts'
import { startReceiver } from '../support/receiver.ts'
import { startWorkerTarget, type WorkerTarget } from '../support/worker-target.ts'
import { keepsItsPromises } from './suite.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

describe('the Worker', () => keepsItsPromises(startWorkerTarget))

async function call(
  target: WorkerTarget,
  method: string,
  path: string,
  credential: string,
  body?: unknown,
) {
  const response = await fetch(`${target.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${credential}`, 'content-type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
  })
  return { status: response.status, body: (await response.json()) as Record<string, any> }
}
const newApp = async (target: WorkerTarget) =>
  (await call(target, 'POST', '/v1/apps', target.adminKey, { name: 'w' })).body
const create = (target: WorkerTarget, apiKey: string) =>
  call(target, 'POST', '/v1/uploads', apiKey, {
    subject: 'ada',
    filename: 'a.bin',
    sizeBytes: 150 * 1024,
    partSizeBytes: 100 * 1024,
  })
/** Counts what leaves the Worker, on the wire. */
function outgoing({ database, store }: WorkerTarget) {
  const { connections, statements } = database.traffic()
  return { connections, statements, requests: store.traffic().requests }
}

describe('an isolate', () => {
  let target: WorkerTarget
  let app: Record<string, any>
  beforeAll(async () => {
    target = await startWorkerTarget({ variables: { RUN_REQUESTS: '80' } })
    app = await newApp(target)
  })
  afterAll(() => target.stop())

  it('signs parts without a connection to the database or a request to the store', async () => {
    const { body } = await create(target, app.apiKey)
    const path = `/v1/uploads/${body.id}/parts`
    // The work that continues after the answer to the create has ended.
    await expect.poll(() => target.database.open(), { timeout: 20_000 }).toBe(0)
    const before = outgoing(target)

    const signed = await call(target, 'POST', path, body.uploadToken, { from: 1, count: 2 })

    expect(signed.body.parts).toHaveLength(2)
    expect(outgoing(target)).toEqual(before)
    await call(target, 'GET', `/v1/uploads/${body.id}`, body.uploadToken)
    expect(outgoing(target)).not.toEqual(before)
  })

  it('leaves the page to the assets, with the headers that Node sends', async () => {
    const page = await fetch(target.url)

    expect(page.status).toBe(200)
    expect(await page.text()).toContain('<html')
    for (const [name, value] of Object.entries(PAGE_HEADERS)) {
      expect([name, page.headers.get(name)]).toEqual([name, value])
    }
    const unknown = await call(target, 'GET', '/nowhere', 'x')
    expect(unknown).toMatchObject({ status: 404, body: { code: 'not-found' } })
  })

  it('answers thirty creates at once, each with connections of its own, of which it closes every one', async () => {
    const before = target.database.traffic()
    const answers = await Promise.all(Array.from({ length: 30 }, () => create(target, app.apiKey)))
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 201))
    await expect.poll(() => target.database.open(), { timeout: 20_000 }).toBe(0)

    const { connections, goodbyes } = target.database.traffic()
    expect(connections - before.connections).toBeGreaterThanOrEqual(30)
    // workerd drops connections that a request leaves open, so only a Terminate message shows that one was closed.
    expect(goodbyes - before.goodbyes).toBe(connections - before.connections)
  })

  it('delivers after its answer, before the schedule has its turn', async () => {
    const receiver = await startReceiver()
    const endpoint = { url: receiver.url, events: ['upload.aborted'] }
    await call(target, 'POST', '/v1/webhook-endpoints', app.apiKey, endpoint)
    const { body } = await create(target, app.apiKey)

    await call(target, 'DELETE', `/v1/uploads/${body.id}`, body.uploadToken)
    await receiver.arrived(1)

    expect(JSON.parse(receiver.received[0]!.body).data.upload.id).toBe(body.id)
    await receiver.stop()
  })

  it('is not ready while the database refuses it, answers with problems, and recovers', async () => {
    const administer = new URL(target.databaseUrl)
    const name = administer.pathname.slice(1)
    administer.pathname = '/postgres'
    const sql = postgres(administer.href, { max: 1 })
    const allow = (yes: boolean) =>
      sql.unsafe(`alter database ${name} with allow_connections ${yes}`)
    await allow(false)
    const [ready, asked] = await Promise.all([
      call(target, 'GET', '/readyz', 'x'),
      call(target, 'GET', '/v1/uploads', app.apiKey),
    ])
    const run = await target.runSchedule()
    await allow(true)
    await sql.end()

    expect(ready).toMatchObject({ status: 503, body: { code: 'not-ready' } })
    expect(asked.status).toBeGreaterThanOrEqual(500)
    expect(asked.body.code).toBeTypeOf('string')
    expect(run.status).toBe(200)
    expect((await call(target, 'GET', '/readyz', 'x')).status).toBe(200)
  })

  it('makes at most RUN_REQUESTS outgoing requests in a run, and the next runs do the rest', async () => {
    const receiver = await startReceiver()
    const endpoint = { url: receiver.url, events: ['upload.completed'] }
    const { id } = (await call(target, 'POST', '/v1/webhook-endpoints', app.apiKey, endpoint)).body
    const sql = postgres(target.databaseUrl, { max: 1 })
    // Long overdue, as after an outage of the receiver.
    await sql`
      insert into deliveries (app_id, delivery_id, upload_id, endpoint_id, event_id, type, body, state, next_attempt_at, created_at)
      select app_id, 'dlv_' || n, upload_id, ${id}, 'evt_' || n, 'upload.completed', '{}', 'pending', now(), now()
      from generate_series(1, 40) n, (select * from uploads where app_id = ${app.id} limit 1) u`
    // By then, every session of the earlier tests is idle.
    await sql`update uploads set expires_at = now(), active_at = now() - interval '2 days',
      sweep_at = now() where app_id = ${app.id}`

    const perRun: number[] = []
    const open = async () =>
      Number((await sql`select count(*) from uploads where storage_released_at is null`)[0]!.count)
    const sent = () => {
      const { statements, requests } = outgoing(target)
      return receiver.received.length + statements + requests
    }
    do {
      const before = sent()
      await target.runSchedule()
      perRun.push(sent() - before)
      await sql`update uploads set sweep_at = now() where storage_released_at is null`
    } while ((receiver.received.length < 40 || (await open()) > 0) && perRun.length < 100)

    expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id'])).size).toBe(40)
    expect(await open()).toBe(0)
    expect(Math.max(...perRun)).toBeLessThanOrEqual(80)
    expect(perRun.length).toBeGreaterThan(3)
    await sql.end()
    await receiver.stop()
  })

  it('keeps house at the full hour and at no other: months of the log are there, what is old is gone', async () => {
    const { body } = await create(target, app.apiKey)
    await call(target, 'DELETE', `/v1/uploads/${body.id}`, body.uploadToken)
    const sql = postgres(target.databaseUrl, { max: 1 })
    const old = `upl_${'0'.repeat(32)}`
    await sql`
      update uploads set upload_id = ${old}, ended_at = now() - interval '91 days', storage_released_at = now()
      where app_id = ${app.id} and upload_id = ${body.id}`
    const months = async () => {
      const rows = await sql`
        select inhrelid::regclass::text as name from pg_inherits
        where inhparent = 'upload_events'::regclass order by 1`
      return rows.map(({ name }) => name)
    }
    const isKept = async () =>
      (await sql`select from uploads where app_id = ${app.id} and upload_id = ${old}`).length === 1
    await target.runSchedule()
    expect([await months(), await isKept()]).toEqual([['upload_events_default'], true])

    for (let hour = 0; hour < 3; hour++) await target.runSchedule({ fullHour: true })

    const now = monthOf(new Date())
    const named = [now, monthAfter(now), monthAfter(now, 2)].map(
      (month) => `upload_events_${month.replace('-', '_')}`,
    )
    expect([await months(), await isKept()]).toEqual([[...named, 'upload_events_default'], false])
    // The Worker connects as the role whose statements are checked at the end of the run.
    const [made] = await sql`select tableowner from pg_tables where tablename = ${named[0]!}`
    expect(made!.tableowner).toBe(inject('postgres').role)
    await sql.end()
  })

  it('has let no error escape', () => {
    expect(target.output()).not.toMatch(/uncaught|unhandled|hung/i)
  })
})

describe('a Worker', () => {
  let target: WorkerTarget
  let folder: string | undefined
  afterEach(async () => {
    await target.stop()
    if (folder) await rm(folder, { recursive: true, force: true })
  })

  it('that lacks variables says which in a problem, with no secret, and lets no error escape', async () => {
    target = await startWorkerTarget({
      without: ['SECRET_KEYS', 'PUBLIC_URL'],
      variables: { STORE_REGION: 'not a region!' },
    })
    const asked = await call(target, 'GET', '/v1/uploads', 'x')
    const run = await target.runSchedule()

    expect(asked).toMatchObject({ status: 500, body: { code: 'misconfigured' } })
    for (const name of ['SECRET_KEYS', 'PUBLIC_URL', 'STORE_REGION']) {
      expect(asked.body.detail).toContain(name)
      // wrangler prints a line shortly after the answer.
      await expect.poll(() => target.output(), { timeout: 20_000 }).toContain(`"${name}: `)
    }
    expect(JSON.stringify(asked.body)).not.toContain('secret"')
    expect(run.status).toBe(200)
    expect(target.output()).not.toMatch(/uncaught|unhandled/i)
  })

  it('behind a pool that caches queries is not ready, and says what to do', async () => {
    target = await startWorkerTarget({ between: cachingPool })

    const ready = await call(target, 'GET', '/readyz', 'x')

    expect(ready).toMatchObject({ status: 503, body: { code: 'not-ready' } })
    expect(ready.body.detail).toContain('disable query caching')
  })

  it('with the queue that wrangler.toml offers delivers by its consumer, without the schedule', async () => {
    folder = await mkdtemp(join(tmpdir(), 'countersign-queue-'))
    const offered = await readFile(join(ROOT, 'wrangler.toml'), 'utf8')
    const taken = offered
      .replace(/^# (\[\[queues\.|binding = "NUDGES"|queue = |max_batch_)/gm, '$1')
      .replace('max_batch_timeout = 1', 'max_batch_timeout = 0')
      .replace(/^(main|directory) = "/gm, `$1 = "${ROOT}/`)
    expect(taken).toContain('\n[[queues.consumers]]\nqueue = ')
    await writeFile(join(folder, 'wrangler.toml'), taken)
    target = await startWorkerTarget({ config: join(folder, 'wrangler.toml') })
    const receiver = await startReceiver()
    const app = await newApp(target)
    const endpoint = { url: receiver.url, events: ['upload.aborted'] }
    await call(target, 'POST', '/v1/webhook-endpoints', app.apiKey, endpoint)
    const { body } = await create(target, app.apiKey)

    await call(target, 'DELETE', `/v1/uploads/${body.id}`, body.uploadToken)
    await receiver.arrived(1)

    expect(JSON.parse(receiver.received[0]!.body).data.upload.id).toBe(body.id)
    expect(target.output()).toMatch(/QUEUE countersign-nudges 1\/1/)
    await receiver.stop()
  })
})
