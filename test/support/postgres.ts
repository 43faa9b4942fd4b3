// One PostgreSQL for a test run, and in it a fresh database for every file that asks: a copy of a migrated
// template. TEST_DATABASE_URL names a server to use instead of the embedded one.
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres from 'postgres'
import type { TestProject } from 'vitest/node'
import { startEmbeddedPostgres } from '../../src/db/embedded.ts'

interface TestServer {
  /** Of a role that may create databases. */
  adminUrl: string
  template: string
  /** Begins the names of all databases of this run, so that several runs can share a server. */
  prefix: string
}

declare module 'vitest' {
  interface ProvidedContext {
    postgres: TestServer
  }
}

/** Vitest's globalSetup: starts or joins the server, prepares the template; what it returns ends both. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { adminUrl, stop } = await startServer()
  const prefix = `test_${randomBytes(4).toString('hex')}_`
  const template = `${prefix}countersign_template`
  try {
    await createTemplate(adminUrl, template)
  } catch (error) {
    await stop(prefix)
    throw error
  }
  project.provide('postgres', { adminUrl, template, prefix })
  return () => stop(prefix)
}

/** A migrated, empty database of one's own. `drop` ends connections that are still open. */
export async function freshDatabase(): Promise<{ url: string; drop(): Promise<void> }> {
  // Only test files may import this at run time, and this module is also the globalSetup.
  const { inject } = await import('vitest')
  const { adminUrl, template, prefix } = inject('postgres')
  const name = prefix + randomBytes(6).toString('hex')
  await administer(adminUrl, (sql) => sql.unsafe(`create database ${name} template ${template}`))
  return {
    url: databaseUrl(adminUrl, name),
    drop: () => administer(adminUrl, (sql) => sql.unsafe(`drop database ${name} with (force)`)),
  }
}

/**
 * Makes a temporary folder whose PostgreSQL servers end, and which is removed, when `remove` is called or
 * this process dies, even by SIGKILL: a small process waits for the end of a pipe that only we hold open.
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

async function startServer(): Promise<{ adminUrl: string; stop(prefix: string): Promise<void> }> {
  const given = process.env.TEST_DATABASE_URL
  // A server that outlives us is left as it was found.
  if (given) return { adminUrl: given, stop: (prefix) => dropAll(given, prefix) }

  const folder = await guardedFolder()
  try {
    const directory = join(folder.path, 'postgres')
    const log = () => {}
    const server = await startEmbeddedPostgres({ directory, log, fsync: false, detached: false })
    return {
      adminUrl: server.url,
      stop: () => server.stop().finally(folder.remove),
    }
  } catch (error) {
    await folder.remove()
    throw error
  }
}

async function createTemplate(adminUrl: string, template: string): Promise<void> {
  await administer(adminUrl, (sql) => sql.unsafe(`create database ${template}`))
  const migrations = new URL('../../src/db/migrate.ts', import.meta.url)
  if (existsSync(migrations)) {
    const { migrate } = await import(migrations.href)
    await migrate(databaseUrl(adminUrl, template))
  }
  // From here on nobody can be connected to it, so it can be copied by many at once.
  await administer(adminUrl, (sql) =>
    sql.unsafe(`alter database ${template} with is_template true allow_connections false`),
  )
}

async function dropAll(adminUrl: string, prefix: string): Promise<void> {
  await administer(adminUrl, async (sql) => {
    const rows =
      await sql`select datname, datistemplate from pg_database where starts_with(datname, ${prefix})`
    for (const { datname, datistemplate } of rows) {
      if (datistemplate) await sql.unsafe(`alter database ${datname} with is_template false`)
      await sql.unsafe(`drop database ${datname} with (force)`)
    }
  })
}

async function administer(
  url: string,
  act: (sql: postgres.Sql) => Promise<unknown>,
): Promise<void> {
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  try {
    await act(sql)
  } finally {
    await sql.end()
  }
}

function databaseUrl(adminUrl: string, name: string): string {
  const url = new URL(adminUrl)
  url.pathname = `/${name}`
  return url.href
}
