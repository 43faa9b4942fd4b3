// The Worker in workerd as a target of the shared suite: a new PostgreSQL database behind the local Hyperdrive binding, and an
// embedded store in this process that acts as OSS. Proxies between them count and cut connections.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startEmbeddedStore } from '../../src/embedded/store/index.ts'
import type { Target } from '../e2e/suite.ts'
import { freePort } from './ports.ts'
import { freshDatabase } from './postgres.ts'
import { HTTP, POSTGRES, type Tap, tap } from './tap.ts'
import { startWorkerd, type Workerd, type WorkerOptions } from './workerd.ts'

export interface WorkerTarget extends Target {
  database: Tap<'statements' | 'goodbyes'>
  store: Tap<'requests'>
  /** For the test's own statements. */
  databaseUrl: string
  runSchedule: Workerd['runSchedule']
}

export interface WorkerTargetOptions
  extends Partial<Pick<WorkerOptions, 'cwd' | 'config' | 'variables'>> {
  /** The path that another app mounts it at. */
  path?: string
  /** Runs between Hyperdrive and PostgreSQL. */
  between?: (databaseUrl: string) => Promise<{ url: string; close(): Promise<void> }>
  /** Variables to leave out. */
  without?: readonly string[]
}

export const ADMIN_KEY = 'an-admin-key-for-the-worker'

/** Variables of a service that embeds nothing, and uses an embedded store that runs elsewhere. */
export function storeVariables(store: { url: string; callbackPublicKeyPem: string }) {
  return {
    ADMIN_KEY,
    SECRET_KEYS: `k1:${Buffer.alloc(32, 7).toString('base64url')}`,
    STORE_DIALECT: 'oss',
    STORE_ENDPOINT: store.url,
    STORE_REGION: 'local',
    STORE_BUCKET: 'bucket',
    STORE_ADDRESSING: 'path',
    STORE_ACCESS_KEY_ID: 'id',
    STORE_SECRET_ACCESS_KEY: 'secret',
    STORE_ROLE_ARN: 'acs:ram::1000000000000000:role/embedded',
    STORE_STS_ENDPOINT: store.url,
    EMBEDDED_CALLBACK_KEY: store.callbackPublicKeyPem,
    WEBHOOK_ALLOW_PRIVATE: 'true',
  }
}

export const startStore = (directory: string) =>
  startEmbeddedStore({
    directory,
    host: '127.0.0.1',
    port: 0,
    bucket: 'bucket',
    region: 'local',
    accessKeyId: 'id',
    secretAccessKey: 'secret',
    clock: () => new Date(),
    fetch,
    log: () => {},
  })

/** The same URL with another port. */
function through(url: string, { port }: Tap): string {
  const changed = new URL(url)
  changed.hostname = '127.0.0.1'
  changed.port = String(port)
  return changed.href
}
const addressOf = (url: string) => {
  const { hostname, port } = new URL(url)
  return { host: hostname, port: Number(port) }
}

export async function startWorkerTarget(options: WorkerTargetOptions = {}): Promise<WorkerTarget> {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-worker-'))
  const fresh = await freshDatabase()
  const embedded = await startStore(join(directory, 'store'))
  const pool = await options.between?.(fresh.serviceUrl)
  const [database, store] = [
    await tap(addressOf(pool?.url ?? fresh.serviceUrl), POSTGRES),
    await tap(addressOf(embedded.url), HTTP),
  ]
  const port = await freePort()
  const url = `http://127.0.0.1:${port}${options.path ?? ''}`
  const variables: Record<string, string> = {
    ...storeVariables(embedded),
    STORE_ENDPOINT: through(embedded.url, store).replace(/\/$/, ''),
    PUBLIC_URL: url,
    ...options.variables,
  }
  for (const name of options.without ?? []) delete variables[name]
  const start = () =>
    startWorkerd({
      directory,
      cwd: options.cwd,
      config: options.config,
      port,
      databaseUrl: through(fresh.serviceUrl, database),
      variables,
    })
  let workerd = await start()
  let before = ''
  return {
    url,
    adminKey: ADMIN_KEY,
    database,
    store,
    databaseUrl: fresh.url,
    kill: () => workerd.end('SIGKILL'),
    async restart() {
      before += workerd.output()
      workerd = await start()
    },
    tick: () => workerd.runSchedule(),
    runSchedule: (given) => workerd.runSchedule(given),
    output: () => before + workerd.output(),
    async stop() {
      await workerd.end('SIGTERM')
      await Promise.all([database.close(), store.close()])
      await pool?.close()
      await embedded.close()
      await fresh.drop()
      await rm(directory, { recursive: true, force: true })
    },
  }
}
