// Database limits: a stuck statement ends with a problem that says so, and the number of connections is bounded.
import { sql } from 'drizzle-orm'
import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { databaseFailure } from '../../src/core/ports/database-failure.ts'
import { connect } from '../../src/db/connect.ts'
import { latch } from '../support/gates.ts'
import { ADMIN_KEY, type Harness, startHarness } from '../support/harness.ts'
import { freshDatabase } from '../support/postgres.ts'

let harness: Harness
let app: { id: string; apiKey: string }
let holder: postgres.Sql

beforeAll(async () => {
  harness = await startHarness({ statementMs: 400 })
  app = await harness.createApp()
  holder = postgres(harness.databaseUrl, { max: 1 })
})
afterAll(async () => {
  await holder.end()
  await harness.stop()
})

const create = () =>
  harness.call('POST', '/v1/uploads', app.apiKey, {
    subject: 'ada',
    filename: 'a.bin',
    sizeBytes: 9,
  })

it('a request whose statement waits for a lock gets 503 and when to come again; the next one succeeds', async () => {
  const { body: created } = await create()
  const abort = () => harness.call('DELETE', `/v1/uploads/${created.id}`, app.apiKey)

  await holder.begin(async (transaction) => {
    await transaction`select from uploads where app_id = ${app.id} and upload_id = ${created.id} for update`
    const answer = await abort()
    expect(answer).toMatchObject({ status: 503, body: { code: 'database-unavailable' } })
    expect(answer.headers.get('retry-after')).toBe('2')
  })

  expect(await abort()).toMatchObject({ status: 200, body: { state: 'aborted' } })
  const warned = harness.lines.filter((line) => line.includes('database-unavailable'))
  expect(warned.join()).toContain('lock timeout')
  expect(warned.join()).not.toContain(created.id)
})

describe('a failure of the database is told apart from a fault of ours', () => {
  const failing = async (url: string, statement: string) => {
    const { database, close } = connect(url, { maxConnections: 1, statementMs: 100 })
    const error: unknown = await database.execute(sql.raw(statement)).then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    await close()
    return databaseFailure(error)
  }

  it('a statement past its time is slow', async () => {
    expect(await failing(harness.databaseUrl, 'select pg_sleep(30)')).toBe('slow')
  })

  it('a missing server and a terminated session both count as unavailable', async () => {
    expect(await failing('postgres://nobody@127.0.0.1:1/none', 'select 1')).toBe('away')
    const ended = 'select pg_terminate_backend(pg_backend_pid())'
    expect(await failing(harness.databaseUrl, ended)).toBe('away')
  })

  it('a wrong statement is neither', async () => {
    expect(await failing(harness.databaseUrl, 'select nothing from nowhere')).toBeUndefined()
  })
})

it('a pool opens no more connections than its limit, however many callers wait', async () => {
  const fresh = await freshDatabase()
  const { database, close } = connect(fresh.url, { maxConnections: 3 })
  const count = sql`select count(*)::int as open from pg_stat_activity
    where datname = current_database() and application_name = 'countersign'`

  const counts = await Promise.all(
    Array.from({ length: 50 }, () => database.execute<{ open: number }>(count)),
  )

  expect(Math.max(...counts.map(([row]) => row!.open))).toBe(3)
  await close()
  await fresh.drop()
})

it('an app created while the database is stuck is not half created', async () => {
  const before = await harness.services.apps.listApps({ limit: 100 })
  await holder.begin(async (transaction) => {
    await transaction`lock table policies in access exclusive mode`
    const answer = await harness.call('POST', '/v1/apps', ADMIN_KEY, { name: 'late' })
    expect(answer).toMatchObject({ status: 503, body: { code: 'database-unavailable' } })
  })
  expect(await harness.services.apps.listApps({ limit: 100 })).toEqual(before)
})

describe('while one table is stuck, and all connections with it', () => {
  const WAITING = `select count(*)::int as n from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'`

  it('who asks for something else is told to come again, and nothing is left of it', async () => {
    const patient = await startHarness({ statementMs: 10_000, waitMs: 300 })
    const { apiKey } = await patient.createApp()
    const outside = postgres(patient.databaseUrl, { max: 2 })
    const part = (text: object) => Buffer.from(JSON.stringify(text)).toString('base64url')
    const fake = `${part({ alg: 'HS256' })}.${part({ iss: 'https://id.example', aud: 'a' })}.x`
    const list = (credential: string) => patient.call('GET', '/v1/uploads', credential)

    let stuck: ReturnType<typeof list>[] = []
    await outside.begin(async (transaction) => {
      await transaction`lock table issuers in access exclusive mode`
      stuck = Array.from({ length: 8 }, () => list(fake))
      await expect.poll(async () => (await outside.unsafe(WAITING))[0]!.n).toBe(8)

      const answers = await Promise.all([
        list(apiKey),
        patient.call('POST', '/v1/apps', ADMIN_KEY, { name: 'in a transaction' }),
      ])
      for (const { status, body, headers } of answers) {
        expect([status, body.code, body.detail]).toEqual([
          503,
          'database-unavailable',
          'All connections to the database are in use just now. Repeat the request.',
        ])
        expect(headers.get('retry-after')).toBe('2')
      }
    })
    expect((await Promise.all(stuck)).map(({ status }) => status)).toEqual(Array(8).fill(401))

    const after = await Promise.all(Array.from({ length: 30 }, () => list(apiKey)))
    expect(after.map(({ status }) => status)).toEqual(Array(30).fill(200))
    expect((await patient.services.apps.listApps({ limit: 100 })).length).toBe(1)
    await outside.end()
    await patient.stop()
  })

  it('statements and transactions that succeed, fail or lose their connection give back their turn', async () => {
    const fresh = await freshDatabase()
    const { database, close } = connect(fresh.url, { maxConnections: 2, waitMs: 200 })
    const run = (statement: string) => database.execute(sql.raw(statement))
    const within = (statement: string) =>
      database.transaction((transaction) => transaction.execute(sql.raw(statement)))
    const ended = 'select pg_terminate_backend(pg_backend_pid())'

    for (const statement of [ended, 'select nothing', 'select 1']) {
      for (let round = 0; round < 3; round++) {
        await Promise.allSettled([run(statement), within(statement)])
      }
    }

    await Promise.all(Array.from({ length: 20 }, () => run('select 1')))
    await Promise.all(Array.from({ length: 20 }, () => within('select 1')))
    const { opened, open } = latch()
    const held = Array.from({ length: 2 }, () => database.transaction(() => opened))
    expect(await run('select 1').catch(databaseFailure)).toBe('busy')
    open()
    await Promise.all(held)
    await close()
    await fresh.drop()
  })
})
