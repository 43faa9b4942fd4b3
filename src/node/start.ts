// Starts a Node process of the service in order (folder, database, store, services, timers) and stops it in reverse.
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Config, StoreConfig } from '../config.ts'
import type { Log } from '../core/ports/log.ts'
import { migrate } from '../db/migrate.ts'
import { lockDirectory } from '../embedded/directory-lock.ts'
import { startEmbeddedPostgres } from '../embedded/postgres/index.ts'
import { startEmbeddedStore } from '../embedded/store/index.ts'
import { httpApp } from '../http/app.ts'
import { publicPath } from '../http/public-path.ts'
import {
  demoApp,
  embeddedKeys,
  embeddedStoreCredentials,
  openDataDirectory,
  writeSecret,
} from './data-directory.ts'
import { startJobs } from './jobs.ts'
import { requireKeys } from './keys.ts'
import { listen } from './listen.ts'
import { openServices } from './open-services.ts'
import { directoryFault, listenFault, reachingDatabase } from './start-fault.ts'
import { serveStatic } from './static.ts'

export interface Running {
  url: string
  storeUrl: string | undefined
  adminKey: string
  /** True if the admin key was generated, so that the operator has not seen it. */
  generatedKeys: boolean
  demo: { appId: string; apiKey: string } | undefined
  stop(): Promise<void>
}

type Stop = () => unknown

/** A start that fails half-way stops what it has started. */
export async function start(config: Config, log: Log): Promise<Running> {
  const stops: Stop[] = []
  const stop = async () => {
    const failures: unknown[] = []
    for (const end of stops.splice(0).reverse()) {
      try {
        await end()
      } catch (failure) {
        failures.push(failure) // So that the others stop all the same.
      }
    }
    if (failures.length) throw new AggregateError(failures, String(failures[0]))
  }
  try {
    return await startAll(config, log, stops, stop)
  } catch (error) {
    await stop()
    throw error
  }
}

async function startAll(
  config: Config,
  log: Log,
  stops: Stop[],
  stop: () => Promise<void>,
): Promise<Running> {
  if (config.embeddedStore || config.databaseUrl === undefined) {
    await openDataDirectory(config.dataDirectory).catch((error: unknown) => {
      throw directoryFault(error, config.dataDirectory)
    })
    const lock = await lockDirectory(config.dataDirectory)
    stops.push(() => lock.release())
  }
  const databaseUrl = config.databaseUrl ?? (await startDatabase(config, log, stops))
  const migrated = migrate(databaseUrl, (warning) => log('warn', warning))
  await (config.databaseUrl === undefined ? migrated : reachingDatabase(databaseUrl, migrated))

  let url = config.publicUrl ?? ''
  const serviceUrls = () => config.callbackUrls ?? (url ? [url] : [])
  const store = config.embeddedStore ? await startStore(config, log, stops, serviceUrls) : undefined
  const generated = config.embedded ? await embeddedKeys(config.dataDirectory) : undefined
  const adminKey = config.adminKey ?? generated!.adminKey

  let ready = true
  const { services, housekeeping, close } = await openServices(config, databaseUrl, log, {
    secretKeys: config.secretKeys ?? generated!.secretKeys,
    adminKey,
    publicUrl: () => url,
    embedded: config.embedded,
    stores: store ? [store.config] : config.stores,
    embeddedCallbackKey: store?.callbackKey,
    nudgeDeliveries: () => jobs.deliveries.nudge(),
  })
  stops.push(close)
  await requireKeys(services, config.secretKeys ? 'SECRET_KEYS' : 'keys.json of DATA_DIR')
  const jobs = startJobs(services, housekeeping, config.retention, log)
  stops.push(jobs.stop)

  const listening = await listen(config)
  stops.push(listening.close)
  url ||= listening.url
  const demo = config.embedded
    ? await demoApp(config.dataDirectory, listening.url, services)
    : undefined
  const app = httpApp({
    servicesFor: () => services,
    basePath: () => publicPath(config.publicUrl),
    isReady: () => ready,
    demo,
  })
  serveStatic(app)
  listening.serve(app.fetch)
  jobs.begin()
  return {
    url: listening.url,
    storeUrl: store?.url,
    adminKey,
    generatedKeys: config.embedded && config.adminKey === undefined,
    demo,
    async stop() {
      // A load balancer must see this before the first connection is refused.
      ready = false
      // Requests are served while it drains, but no new run begins.
      void jobs.stop()
      await delay(config.drainSeconds * 1000)
      await stop()
    },
  }
}

async function startDatabase(config: Config, log: Log, stops: Stop[]): Promise<string> {
  const directory = join(config.dataDirectory, 'postgres')
  const postgres = await startEmbeddedPostgres({ directory, log })
  stops.push(() => postgres.stop())
  return postgres.url
}

async function startStore(
  config: Config,
  log: Log,
  stops: Stop[],
  serviceUrls: () => readonly string[],
) {
  const credentials = await embeddedStoreCredentials(config.dataDirectory)
  const { host, storePort: port } = config
  const store = await startEmbeddedStore({
    ...credentials,
    directory: join(config.dataDirectory, 'store'),
    host,
    port,
    orFreePort: true,
    clock: () => new Date(),
    serviceUrls,
    log,
  }).catch((error: unknown) => {
    throw listenFault(error, { host, port, variable: 'STORE_PORT' })
  })
  stops.push(() => store.close())
  const access = { ...credentials, endpoint: store.url }
  await writeSecret(join(config.dataDirectory, 'store.json'), access)
  const storeConfig: StoreConfig = {
    ...access,
    name: 'default',
    dialect: 'oss',
    addressing: 'path',
    roleArn: 'acs:ram::1000000000000000:role/embedded',
    stsEndpoint: store.url,
    mpsEndpoint: store.url,
    bindLength: true,
  }
  return { url: store.url, callbackKey: store.callbackPublicKeyPem, config: storeConfig }
}
