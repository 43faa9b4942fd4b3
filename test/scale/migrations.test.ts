// Processes that start at the same moment on an empty database: one migrates, the others wait, and all of them serve.
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import postgres from 'postgres'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { emptyDatabase, type TestDatabase } from '../support/postgres.ts'
import { startService } from '../support/service.ts'

const ROOT = new URL('../../', import.meta.url)
const ENTRY = fileURLToPath(new URL('dist/node.js', ROOT))

let database: TestDatabase
let sql: postgres.Sql

beforeEach(async () => {
  database = await emptyDatabase()
  sql = postgres(database.url, { max: 2 })
})
afterEach(async () => {
  await sql.end()
  await database.drop()
})

const startFour = () =>
  Promise.all(
    Array.from({ length: 4 }, () =>
      startService({ environment: { DATABASE_URL: database.serviceUrl } }),
    ),
  )

async function expectMigratedOnce() {
  const journal = JSON.parse(await readFile(new URL('migrations/meta/_journal.json', ROOT), 'utf8'))
  const applied = await sql`select created_at from drizzle.__drizzle_migrations order by id`
  expect(applied.map((row) => Number(row.created_at))).toEqual(
    journal.entries.map((entry: { when: number }) => entry.when),
  )
}

it('four of them migrate it once and all become ready', async () => {
  const services = await startFour()

  for (const { url } of services) expect((await fetch(`${url}/readyz`)).status).toBe(200)
  await expectMigratedOnce()
  expect(await Promise.all(services.map((service) => service.stop()))).toEqual([0, 0, 0, 0])
})

it('one that is killed while it migrates leaves nothing half done, and the others go on', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-migrate-'))
  // A table of the same name, not committed, holds the migration up after it has made several others.
  const inTheWay = await sql.reserve()
  await inTheWay`begin`
  await inTheWay`create table webhook_endpoints ()`
  const doomed = spawn(process.execPath, [ENTRY], {
    env: {
      PATH: process.env.PATH,
      PORT: '0',
      DATA_DIR: directory,
      DATABASE_URL: database.serviceUrl,
    },
    stdio: 'ignore',
  })
  await untilItWaits()
  doomed.kill('SIGKILL')
  await inTheWay`rollback`
  inTheWay.release()

  const services = await startFour()

  await expectMigratedOnce()
  await Promise.all(services.map((service) => service.stop()))
  await rm(directory, { recursive: true, force: true })
})

async function untilItWaits(): Promise<void> {
  for (;;) {
    const [row] = await sql`
      select count(*)::int as waiting from pg_stat_activity where datname = current_database()
        and application_name = 'countersign-migrate' and wait_event_type = 'Lock'`
    if (row!.waiting) return
  }
}
