// One PostgreSQL for a test run. Each test file gets its own database, copied from a migrated template. TEST_DATABASE_URL
// names a server to use instead of the embedded one.
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres from 'postgres'
import type { TestProject } from 'vitest/node'
import { startEmbeddedPostgres } from '../../src/embedded/postgres/index.ts'
import { beginNoting, notedStatements, strayStatements } from './statements.ts'

type Login = Pick<TestServer, 'role' | 'password'>

interface TestServer {
  /** For a role that may create databases. */
  adminUrl: string
  template: string
  /** Prefix of this run's database names, so that several runs can share a server. */
  prefix: string
  /** The role of the service under test. Its statements are checked at the end of the run. */
  role: string
  /** Password of that role: a Worker's connection takes only name and password from its URL. */
  password: string
}

declare module 'vitest' {
  interface ProvidedContext {
    postgres: TestServer
  }
}

/**
 * Vitest's globalSetup: starts or joins the server and prepares the template. The returned function stops both, and fails the
 * run if the service sent a statement that leaves the tenant.
 */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { adminUrl, stop } = await startServer()
  const prefix = `test_${randomBytes(4).toString('hex')}_`
  const template = `${prefix}countersign_template`
  const role = `${prefix}service`
  const password = randomBytes(12).toString('hex')
  const end = () => stop(prefix)
  let tables: string[]
  try {
    await administer(noteUrl(adminUrl), beginNoting)
    await administer(adminUrl, async (sql) => {
      await sql.unsafe(`create role ${role} login createdb password '${password}'`)
      await sql.unsafe(`grant ${role} to current_user`)
    })
    tables = await createTemplate(adminUrl, template, { role, password })
  } catch (error) {
    await end()
    throw error
  }
  project.provide('postgres', { adminUrl, template, prefix, role, password })
  return () => checkStatements(adminUrl, tables, role).finally(end)
}

/** A new, migrated, empty database. `drop` ends connections that are still open. */
export const freshDatabase = () => makeDatabase((template) => `template ${template}`)

/** A database without tables, for tests of the migrations. */
export const emptyDatabase = () => makeDatabase(() => '')

export interface TestDatabase {
  /** For the test's own statements. */
  url: string
  /** For the service under test, whose statements are checked at the end of the run. */
  serviceUrl: string
  drop(): Promise<void>
}

async function makeDatabase(from: (template: string) => string): Promise<TestDatabase> {
  // Only test files may import vitest at run time, and this module is also the globalSetup.
  const { inject } = await import('vitest')
  const { adminUrl, template, prefix, ...login } = inject('postgres')
  const name = prefix + randomBytes(6).toString('hex')
  await administer(adminUrl, (sql) =>
    sql.unsafe(`create database ${name} owner ${login.role} ${from(template)}`),
  )
  const url = databaseUrl(adminUrl, name)
  return {
    url,
    serviceUrl: asRole(url, login),
    async drop() {
      await administer(adminUrl, (sql) => sql.unsafe(`drop database ${name} with (force)`))
    },
  }
}

/**
 * Makes a temporary folder. When `remove` is called or this process dies, even by SIGKILL, its PostgreSQL servers are stopped
 * and it is removed: a small process waits for the end of a pipe that only this process holds open.
 */
export async function guardedFolder(): Promise<{ path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'countersign-test-'))
  const stdio = ['pipe', 'ignore', 'ignore'] as const
  const guard = spawn(process.execPath, ['-e', GUARD, path], { stdio: [...stdio], detached: true })
  const ended = new Promise((resolve) => guard.once('close', resolve))
  guard.unref()
  return {
    path,
    async remove() {
      guard.ref()
      guard.stdin.end()
      await ended
    },
  }
}

const GUARD = `
const { readdirSync, readFileSync, rmSync } = require('node:fs')
const alive = (pid) => { try { return process.kill(pid, 0) } catch { return false } }
function end() {
  const found = readdirSync(process.argv[1], { recursive: true }).filter((name) => name.endsWith('postmaster.pid'))
  const pids = found.map((name) => parseInt(readFileSync(process.argv[1] + '/' + name, 'utf8'), 10))
  const running = pids.filter(alive)
  for (const pid of running) process.kill(pid, 'SIGQUIT')
  const wait = () => running.some(alive) ? setTimeout(wait, 20)
    : rmSync(process.argv[1], { recursive: true, force: true, maxRetries: 5 })
  wait()
}
process.stdin.resume().on('close', end)
`

/** Settings that let the run read, at its end, which statements the service sent (support/statements.ts). */
const NOTING = {
  settings: {
    shared_preload_libraries: 'pg_stat_statements',
    'pg_stat_statements.max': '20000',
    'pg_stat_statements.track_utility': 'off',
    // An autovacuum worker runs as the superuser, so a database it works in cannot be dropped by force.
    autovacuum: 'off',
  },
  superuserStatements: [
    'create extension pg_stat_statements',
    'grant pg_read_all_stats, pg_read_all_settings to countersign',
    'alter role countersign createrole',
  ],
}

async function startServer(): Promise<{ adminUrl: string; stop(prefix: string): Promise<void> }> {
  const given = process.env.TEST_DATABASE_URL
  // Leave a server that is not ours as we found it.
  if (given) return { adminUrl: given, stop: (prefix) => dropAll(given, prefix) }

  const folder = await guardedFolder()
  try {
    const directory = join(folder.path, 'postgres')
    const log = () => {}
    const server = await startEmbeddedPostgres({
      directory,
      log,
      fsync: false,
      detached: false,
      ...NOTING,
    })
    return {
      adminUrl: server.url,
      stop: () => server.stop().finally(folder.remove),
    }
  } catch (error) {
    await folder.remove()
    throw error
  }
}

/** Finds statements on tenant tables without the tenant. Only two are allowed. */
async function checkStatements(adminUrl: string, tables: string[], role: string): Promise<void> {
  await administer(noteUrl(adminUrl), async (sql) => {
    const stray = strayStatements(await notedStatements(sql, role), tables)
    if (!stray.length) return
    // Vitest prints an error from a teardown, but still exits with 0.
    process.exitCode = 1
    const told = stray.map((one) => `on ${one.tables.join(', ')}:\n${one.statement}`).join('\n\n')
    throw new Error(`Statements without an app_id (docs/decisions/0003-tenants.md)\n${told}`)
  })
}

/** Returns the names of its tables. */
async function createTemplate(adminUrl: string, template: string, login: Login): Promise<string[]> {
  await administer(adminUrl, (sql) => sql.unsafe(`create database ${template} owner ${login.role}`))
  const migrations = new URL('../../src/db/migrate.ts', import.meta.url)
  if (existsSync(migrations)) {
    const { migrate } = await import(migrations.href)
    await migrate(asRole(databaseUrl(adminUrl, template), login))
  }
  const tables = await administer(databaseUrl(adminUrl, template), async (sql) => {
    const rows = await sql`
      select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')`
    return rows.map(({ relname }) => relname as string)
  })
  // A template without connections can be copied by several processes at once.
  await administer(adminUrl, (sql) =>
    sql.unsafe(`alter database ${template} with is_template true allow_connections false`),
  )
  return tables
}

async function dropAll(adminUrl: string, prefix: string): Promise<void> {
  await administer(adminUrl, async (sql) => {
    const rows =
      await sql`select datname, datistemplate from pg_database where starts_with(datname, ${prefix})`
    for (const { datname, datistemplate } of rows) {
      if (datistemplate) await sql.unsafe(`alter database ${datname} with is_template false`)
      await sql.unsafe(`drop database ${datname} with (force)`)
    }
    const roles = await sql`select rolname from pg_roles where starts_with(rolname, ${prefix})`
    for (const { rolname } of roles) await sql.unsafe(`drop role ${rolname}`)
  })
}

async function administer<Value>(
  url: string,
  act: (sql: postgres.Sql) => Promise<Value>,
): Promise<Value> {
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  try {
    return await act(sql)
  } finally {
    await sql.end()
  }
}

/** The database with the extension, which shows the statements of all databases. */
const noteUrl = (adminUrl: string) => databaseUrl(adminUrl, 'postgres')

function asRole(url: string, { role, password }: Login): string {
  const parsed = new URL(url)
  parsed.username = role
  parsed.password = password
  return parsed.href
}

function databaseUrl(adminUrl: string, name: string): string {
  const url = new URL(adminUrl)
  url.pathname = `/${name}`
  return url.href
}
