// How each of the victims is started, killed and stopped, and which of the lines lead to it.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/embedded/postgres/index.ts'
import type { StoreCredentials } from '../../src/node/data-directory.ts'
import { type Service, startService } from '../support/service.ts'
import type { Proxy as Line } from './proxy.ts'
import { type StoreProcess, startStoreProcess } from './store-process.ts'

const STARTS = 10

export interface Runner {
  /** Answers the pid of what runs now. */
  start(): Promise<number>
  /** SIGKILL, unless it was sent already; waits for the end. */
  kill(): Promise<unknown>
  /** An ordinary stop, by the signal that a supervisor sends; answers the exit code. */
  stop(): Promise<number | null>
  /** Everything that was printed, by all that were started. */
  output(): string
}

const portOf = (url: string) => Number(new URL(url).port)

export function databaseRunner(directory: string, line: Line) {
  let server: EmbeddedPostgres
  return {
    async start() {
      // With fsync, as in production: without it commits wait in the server's memory, and a kill takes them.
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
    /** The bad line breaks starts: a supervisor tries again. */
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
