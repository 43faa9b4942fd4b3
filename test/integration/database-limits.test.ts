// The database's limits: a statement that is stuck ends with a problem that says so, and connections are few.
import { sql } from 'drizzle-orm'
import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { databaseFailure } from '../../src/core/database-failure.ts'
import { connect } from '../../src/db/connect.ts'
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

  it('a server that is not there, and a session that was ended, are away', async () => {
    expect(await failing('postgres://nobody@127.0.0.1:1/none', 'select 1')).toBe('away')
    const ended = 'select pg_terminate_backend(pg_backend_pid())'
    expect(await failing(harness.databaseUrl, ended)).toBe('away')
  })

  it('a wrong statement is neither', async () => {
    expect(await failing(harness.databaseUrl, 'select nothing from nowhere')).toBeUndefined()
  })
})

it('a pool opens no more connections than it may, however many ask', async () => {
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

it('an app that is being made while the database is stuck is not half made', async () => {
  const before = await harness.services.apps.listApps({ limit: 100 })
  await holder.begin(async (transaction) => {
    await transaction`lock table policies in access exclusive mode`
    const answer = await harness.call('POST', '/v1/apps', ADMIN_KEY, { name: 'late' })
    expect(answer).toMatchObject({ status: 503, body: { code: 'database-unavailable' } })
  })
  expect(await harness.services.apps.listApps({ limit: 100 })).toEqual(before)
})
