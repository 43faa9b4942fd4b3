// The victims: PostgreSQL, the store and the service, each a separate process behind proxies whose ports stay the same. A victim
// starts again once nothing of the killed one runs any more.
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { isRunning, processStart } from '../../src/embedded/postgres/process.ts'
import {
  embeddedKeys,
  embeddedStoreCredentials,
  writeSecret,
} from '../../src/node/data-directory.ts'
import { guardedFolder } from '../support/postgres.ts'
import { watchFolder } from './processes.ts'
import { type Proxy as Line, startProxy } from './proxy.ts'
import { databaseRunner, type Runner, serviceRunner, storeRunner } from './runners.ts'

/** In the order of their start. */
const VICTIMS = ['database', 'store', 'service'] as const
export type Victim = (typeof VICTIMS)[number]

/** The store's callbacks use the clients' proxy to the service. */
const LINES = [
  'service to database',
  'service to store',
  'client to store',
  'client to service',
] as const
export type LineName = (typeof LINES)[number]

export async function startVictims(next: (below: number) => number) {
  const folder = await guardedFolder()
  const watch = watchFolder(folder.path)
  const dataDir = join(folder.path, 'data')
  const keys = await keysIn(dataDir)
  const lines = await startLines(next)
  const database = databaseRunner(join(folder.path, 'postgres'), lines['service to database'])
  const store = storeRunner(join(dataDir, 'store'), keys.store, [
    lines['service to store'],
    lines['client to store'],
  ])
  const environment = () => environmentOf(keys, lines, database.url(), store.callbackPublicKeyPem())
  const service = serviceRunner(dataDir, environment, lines['client to service'])
  const runners: Record<Victim, Runner> = { database, store, service }
  const running = new Map<Victim, { pid: number; since: string }>()
  const kills: Record<Victim, number> = { database: 0, store: 0, service: 0 }
  const left: string[] = []
  const pids = () => [...running.values()].map(({ pid }) => pid)

  async function start(names: readonly Victim[]): Promise<void> {
    for (const name of VICTIMS) {
      if (!names.includes(name)) continue
      const pid = await runners[name].start()
      running.set(name, { pid, since: processStart(pid) ?? '' })
    }
  }

  /** Only the test may end a victim. A later process with the same pid is not the victim. */
  function runningPid(name: Victim): number {
    const { pid, since } = running.get(name)!
    if (isRunning(pid, since)) return pid
    throw new Error(`The ${name} has ended by itself:\n${runners[name].output().slice(-3000)}`)
  }

  /** Records each process that should be gone, together with the step before. */
  async function expectOnlyRunning(after: string): Promise<void> {
    const found = await watch.remaining(pids())
    left.push(...found.map((one) => `left after ${after}: ${one}`))
  }

  await start(VICTIMS)

  return {
    api: urlOf(lines['client to service']),
    adminKey: keys.adminKey,
    dataDir,
    lines,
    kills,
    failedStarts: service.failedStarts,
    processesSeen: watch.count,
    /** Processes that survived a kill or a stop. */
    processesLeft: (): readonly string[] => left,
    /** Everything that the services and stores have printed. */
    output: () => [service.output(), store.output()].join('\n'),
    realDatabaseUrl: database.url,

    /** Sends SIGKILL to all of them at once, and starts them again when nothing of them is left. */
    async kill(names: readonly Victim[]): Promise<void> {
      const struck = names.map(runningPid)
      watch.look(pids())
      for (const pid of struck) process.kill(pid, 'SIGKILL')
      for (const name of names) {
        await runners[name].kill()
        running.delete(name)
        kills[name]++
      }
      await expectOnlyRunning(`the kill of ${names.join(' and ')}`)
      await start(names)
    },

    /** Stops it properly. Returns the exit code. */
    async stop(name: Victim): Promise<number | null> {
      runningPid(name)
      watch.look(pids())
      const code = await runners[name].stop()
      running.delete(name)
      await expectOnlyRunning(`the stop of the ${name}`)
      return code
    },

    /** Ends everything that a failed test left running, and removes its files. */
    async clear(): Promise<void> {
      if (running.has('service')) await service.kill()
      if (running.has('store')) await store.kill()
      await database.stop()
      for (const line of Object.values(lines)) await line.close()
      await folder.remove()
    },
  }
}

async function startLines(next: (below: number) => number): Promise<Record<LineName, Line>> {
  const started = LINES.map(async (name) => [name, await startProxy(next)] as const)
  return Object.fromEntries(await Promise.all(started)) as Record<LineName, Line>
}

type Keys = Awaited<ReturnType<typeof keysIn>>

/** Keys as embedded mode writes them to its folder, where the aftermath finds them. */
async function keysIn(dataDir: string) {
  await mkdir(dataDir)
  const { adminKey, secretKeys } = await embeddedKeys(dataDir)
  const store = await embeddedStoreCredentials(dataDir)
  await writeSecret(join(dataDir, 'store.json'), store)
  const written = secretKeys.map(
    ({ kid, secret }) => `${kid}:${Buffer.from(secret).toString('base64url')}`,
  )
  return { adminKey, secretKeys: written.join(','), store }
}

const urlOf = ({ port }: Line) => `http://127.0.0.1:${port}`

/** A service that embeds nothing. */
function environmentOf(
  { adminKey, secretKeys, store }: Keys,
  lines: Record<LineName, Line>,
  realDatabaseUrl: string,
  callbackPublicKeyPem: string,
): Record<string, string> {
  const databaseUrl = new URL(realDatabaseUrl)
  databaseUrl.port = String(lines['service to database'].port)
  return {
    DATABASE_URL: databaseUrl.href,
    PUBLIC_URL: urlOf(lines['client to service']),
    DRAIN_SECONDS: '0',
    WEBHOOK_ALLOW_PRIVATE: 'true',
    ADMIN_KEY: adminKey,
    SECRET_KEYS: secretKeys,
    STORE_DIALECT: 'oss',
    STORE_ENDPOINT: urlOf(lines['service to store']),
    STORE_PUBLIC_ENDPOINT: urlOf(lines['client to store']),
    STORE_ADDRESSING: 'path',
    STORE_REGION: store.region,
    STORE_BUCKET: store.bucket,
    STORE_ACCESS_KEY_ID: store.accessKeyId,
    STORE_SECRET_ACCESS_KEY: store.secretAccessKey,
    EMBEDDED_CALLBACK_KEY: callbackPublicKeyPem,
  }
}

export type Victims = Awaited<ReturnType<typeof startVictims>>
