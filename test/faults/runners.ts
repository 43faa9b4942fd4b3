// How to start, kill and stop each victim, and which proxies lead to it.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/embedded/postgres/index.ts'
import type { StoreCredentials } from '../../src/node/data-directory.ts'
import { type Service, startService } from '../support/service.ts'
import type { Proxy as Line } from './proxy.ts'
import { type StoreProcess, startStoreProcess } from './store-process.ts'

const STARTS = 10

export interface Runner {
  /** Returns the pid of the running process. */
  start(): Promise<number>
  /** Sends SIGKILL, unless it was already sent, and waits for the end. */
  kill(): Promise<unknown>
  /** Stops it by the signal that a supervisor sends. Returns the exit code. */
  stop(): Promise<number | null>
  /** Everything printed by all the processes started so far. */
  output(): string
}

const portOf = (url: string) => Number(new URL(url).port)

export function databaseRunner(directory: string, line: Line) {
  let server: EmbeddedPostgres
  return {
    async start() {
      // With fsync, as in production. Without it commits wait in the server's memory, and a kill loses them.
      server = await startEmbeddedPostgres({ directory, log: () => {}, detached: false })
      line.leadTo(portOf(server.url))
      return postmasterPid(directory)
    },
    kill: () => server.stop(),
    stop: () => server.stop().then(() => 0),
    output: () => '',
    url: () => server.url,
  } satisfies Runner & { url(): string }
}

export function storeRunner(directory: string, credentials: StoreCredentials, lines: Line[]) {
  const started: StoreProcess[] = []
  const store = () => started.at(-1)!
  return {
    async start() {
      started.push(await startStoreProcess(directory, credentials))
      for (const line of lines) line.leadTo(portOf(store().url))
      return store().pid
    },
    kill: () => store().end('SIGKILL'),
    stop: () => store().end('SIGTERM'),
    output: () => started.map((one) => one.output()).join('\n'),
    callbackPublicKeyPem: () => store().callbackPublicKeyPem,
  } satisfies Runner & { callbackPublicKeyPem(): string }
}

export function serviceRunner(
  dataDir: string,
  environment: () => Record<string, string>,
  line: Line,
) {
  const started: Service[] = []
  const failures: string[] = []
  const service = () => started.at(-1)!
  return {
    /** A bad proxy can break a start, so a supervisor tries again. */
    async start() {
      for (let attempt = 1; ; attempt++) {
        try {
          started.push(await startService({ dataDir, environment: environment() }))
          line.leadTo(portOf(service().url))
          return service().process.pid!
        } catch (error) {
          failures.push(String(error))
          if (attempt === STARTS) throw error
        }
      }
    },
    kill: () => service().kill(),
    stop: () => service().stop({ remove: false }),
    output: () => [...failures, ...started.map((one) => one.output())].join('\n'),
    failedStarts: () => failures.length,
  } satisfies Runner & { failedStarts(): number }
}

async function postmasterPid(directory: string): Promise<number> {
  const names = await readdir(directory, { recursive: true, encoding: 'utf8' })
  const name = names.find((path) => path.endsWith('postmaster.pid')) ?? 'postmaster.pid'
  return Number.parseInt(await readFile(join(directory, name), 'utf8'), 10)
}
