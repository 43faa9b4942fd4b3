// A pooler in transaction mode that knows no prepared statements: Debian's PgBouncer 1.18, in front of the test's PostgreSQL.
import { type ChildProcess, spawn } from 'node:child_process'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { emptyDatabase, type TestDatabase } from '../support/postgres.ts'
import { type Service, startService } from '../support/service.ts'
import { freePort } from './free-port.ts'

const PGBOUNCER = '/usr/sbin/pgbouncer'
const IGNORED =
  'statement_timeout,lock_timeout,idle_in_transaction_session_timeout,extra_float_digits'

let database: TestDatabase
let folder: string
let pooler: ChildProcess
let pooledUrl: string

/** Resolves when it serves, which its log says on stderr. */
async function serving({ stderr }: ChildProcess): Promise<void> {
  let log = ''
  for await (const chunk of stderr!) {
    log += chunk
    if (log.includes('process up')) return
  }
  throw new Error(`PgBouncer ended:\n${log}`)
}

beforeEach(async () => {
  database = await emptyDatabase()
  folder = await mkdtemp(join(tmpdir(), 'countersign-pgbouncer-'))
  await chmod(folder, 0o777)
  const port = await freePort()
  const { hostname, port: target, username, password, pathname } = new URL(database.serviceUrl)
  await writeFile(join(folder, 'users'), `"${username}" "${password}"\n`)
  await writeFile(
    join(folder, 'pgbouncer.ini'),
    `[databases]
${pathname.slice(1)} = host=${hostname} port=${target} user=${username} password=${password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 4
ignore_startup_parameters = ${IGNORED}
`,
  )
  const asUser = process.getuid?.() === 0 ? ['-u', 'nobody'] : []
  const words = [...asUser, join(folder, 'pgbouncer.ini')]
  pooler = spawn(PGBOUNCER, words, { stdio: ['ignore', 'ignore', 'pipe'] })
  const url = new URL(database.serviceUrl)
  url.port = String(port)
  pooledUrl = url.href
  await serving(pooler)
})

afterEach(async () => {
  const ended = new Promise((resolve) => pooler.once('exit', resolve))
  pooler.kill('SIGINT')
  await ended
  await rm(folder, { recursive: true, force: true })
  await database.drop()
})

/** Enough at once that the pooler gives the statements of one client several connections. */
async function createMany({
  url,
  apiKey,
}: Service): Promise<Array<{ status: number; text: string }>> {
  const init = {
    method: 'POST',
    headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ subject: 'ada', filename: 'a.bin', sizeBytes: 9 }),
  }
  const create = async () => {
    const answer = await fetch(`${url}/v1/uploads`, init)
    return { status: answer.status, text: await answer.text() }
  }
  return Promise.all(Array.from({ length: 60 }, create))
}

it.each(['false', 'true'])('loses no request with DATABASE_PREPARE=%s', async (prepare) => {
  const environment = { DATABASE_URL: pooledUrl, DATABASE_PREPARE: prepare }
  const service = await startService({ environment })

  const answers = await createMany(service)

  expect(answers.filter(({ status }) => status !== 201)).toEqual([])
  expect(await service.stop()).toBe(0)
})
