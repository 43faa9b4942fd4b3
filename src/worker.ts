// Entry on Cloudflare Workers: fetch and scheduled. What holds a connection lives as long as its request; the rest
// lives as long as the isolate. The database comes through Hyperdrive, with query caching disabled.
import { createConnection } from 'node:net'
import { ConfigError, parseConfig } from './config.ts'
import { connect } from './db/connect.ts'
import { deliverDue } from './delivery/deliver.ts'
import { httpApp } from './http/app.ts'
import { jsonLog } from './log.ts'
import { runScheduled } from './scheduled.ts'
import { processServices } from './services.ts'
import { verifyRsaMd5 } from './storage/oss/rsa-native.ts'

interface Bindings {
  HYPERDRIVE: { connectionString: string }
  ASSETS?: { fetch(request: Request): Promise<Response> }
  [variable: string]: unknown
}

interface Lifetime {
  waitUntil(work: Promise<unknown>): void
}

/** Hyperdrive pools; a request needs few connections of its own. */
const MAX_CONNECTIONS = 3

/** The driver's own socket leaves an unhandled rejection at its end in workerd (porsager/postgres#1196). */
function openSocket({ host, port }: { host: string[]; port: number[] }): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host: host[0] ?? 'localhost', port: port[0] ?? 5432 })
    socket.once('connect', () => resolve(socket))
    socket.once('error', reject)
  })
}

const textVariables = (bindings: Bindings): Record<string, string> =>
  Object.fromEntries(
    Object.entries(bindings).filter(
      (entry): entry is [string, string] => typeof entry[1] === 'string',
    ),
  )

async function openIsolate(bindings: Bindings) {
  const config = parseConfig({ ...textVariables(bindings), HOST: 'workers' })
  if (config.embeddedStore) throw new ConfigError('STORE_DIALECT: is needed on Workers')
  if (!config.publicUrl) throw new ConfigError('PUBLIC_URL: is needed on Workers')
  const clock = () => new Date()
  const log = jsonLog((line) => console.log(line), { level: config.logLevel, clock })
  return { config, log }
}

let isolate: Promise<Awaited<ReturnType<typeof openIsolate>>> | undefined

/** Services for one request or one scheduled run; `close` waits until its background work is over. */
async function openRequest(bindings: Bindings, lifetime: Lifetime) {
  isolate ??= openIsolate(bindings)
  const { config, log } = await isolate
  const { database, close } = connect(bindings.HYPERDRIVE.connectionString, {
    maxConnections: MAX_CONNECTIONS,
    socket: openSocket,
  })
  const work: Promise<unknown>[] = []
  let owesDeliveries = false
  const processWide = await processServices({
    secretKeys: config.secretKeys!,
    adminKey: config.adminKey,
    publicUrl: () => config.publicUrl!,
    allowPrivateTargets: config.allowPrivateTargets,
    embedded: false,
    stores: config.stores,
    embeddedCallbackKey: stringOf(bindings.EMBEDDED_CALLBACK_KEY),
    verifyRsaMd5,
    log,
    background: (promise) => void work.push(promise),
    nudgeDeliveries: () => {
      owesDeliveries = true
    },
  })
  const services = processWide.forDatabase(database)
  return {
    services,
    close() {
      const finished = async () => {
        await Promise.allSettled(work)
        if (owesDeliveries) await deliverDue(services).catch(() => {})
        await close()
      }
      lifetime.waitUntil(finished())
    },
  }
}

const stringOf = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined

export default {
  async fetch(request: Request, bindings: Bindings, lifetime: Lifetime): Promise<Response> {
    const { services, close } = await openRequest(bindings, lifetime)
    try {
      return await httpApp({ servicesFor: () => services }).fetch(request)
    } finally {
      close()
    }
  },

  async scheduled(_event: unknown, bindings: Bindings, lifetime: Lifetime): Promise<void> {
    const { services, close } = await openRequest(bindings, lifetime)
    try {
      await runScheduled(services)
      await deliverDue(services)
    } finally {
      close()
    }
  },
}
