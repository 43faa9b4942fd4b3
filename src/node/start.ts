// Starts and stops everything of a Node process in order: folder, database, store, service, timers.
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Config, StoreConfig } from '../config.ts'
import type { Log } from '../core/ports/log.ts'
import { connect } from '../db/connect.ts'
import { migrate } from '../db/migrate.ts'
import { lockDirectory } from '../embedded/directory-lock.ts'
import { startEmbeddedPostgres } from '../embedded/postgres/index.ts'
import { startEmbeddedStore } from '../embedded/store/index.ts'
import { httpApp } from '../http/app.ts'
import { publicPath } from '../http/public-path.ts'
import { processServices } from '../services.ts'
import { background } from './background.ts'
import {
  demoApp,
  embeddedKeys,
  embeddedStoreCredentials,
  openDataDirectory,
  writeSecret,
} from './data-directory.ts'
import { guardedFetch } from './guarded-fetch.ts'
import { startJobs } from './jobs.ts'
import { requireKeys } from './keys.ts'
import { listen } from './listen.ts'
import { directoryFault, listenFault, reachingDatabase } from './start-fault.ts'
import { serveStatic } from './static.ts'

export interface Running {
  url: string
  storeUrl: string | undefined
  adminKey: string
  /** True where the keys were generated: the operator has not seen the admin key yet. */
  generatedKeys: boolean
  demo: { appId: string; apiKey: string } | undefined
  stop(): Promise<void>
}

const clock = () => new Date()

export async function start(config: Config, log: Log): Promise<Running> {
  // What was started last is stopped first; a start that fails half-way leaves nothing behind.
  const stops: Array<() => Promise<unknown> | unknown> = []
  const stop = async () => {
    const failures: unknown[] = []
    for (const end of stops.splice(0).reverse()) {
      try {
        await end()
      } catch (failure) {
        failures.push(failure) // What comes after it is ended all the same.
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
  stops: Array<() => Promise<unknown> | unknown>,
  stop: () => Promise<void>,
): Promise<Running> {
  const usesDirectory = config.embeddedStore || config.databaseUrl === undefined
  if (usesDirectory) {
    await openDataDirectory(config.dataDirectory).catch((error: unknown) => {
      throw directoryFault(error, config.dataDirectory)
    })
    const lock = await lockDirectory(config.dataDirectory)
    stops.push(() => lock.release())
  }
  const databaseUrl = config.databaseUrl ?? (await ownDatabase(config, log, stops))
  const migrated = migrate(databaseUrl, (warning) => log('warn', warning))
  await (config.databaseUrl === undefined ? migrated : reachingDatabase(databaseUrl, migrated))
  const { database, close } = connect(databaseUrl, {
    maxConnections: config.databasePoolSize,
    statementMs: config.databaseStatementMs,
    waitMs: config.databaseWaitMs,
  })
  stops.push(close)

  let url = config.publicUrl ?? ''
  const serviceUrls = () => config.callbackUrls ?? (url ? [url] : [])
  const store = config.embeddedStore ? await ownStore(config, log, stops, serviceUrls) : undefined
  const generated = config.embedded ? await embeddedKeys(config.dataDirectory) : undefined
  const adminKey = config.adminKey ?? generated!.adminKey
  const targets = guardedFetch({ allowPrivate: config.allowPrivateTargets })
  stops.push(targets.close)

  let ready = true
  const after = background(log)
  const processWide = await processServices({
    secretKeys: config.secretKeys ?? generated!.secretKeys,
    adminKey,
    publicUrl: () => url,
    callbackUrls: config.callbackUrls,
    allowPrivateTargets: config.allowPrivateTargets,
    embedded: config.embedded,
    stores: store ? [store.config] : config.stores,
    embeddedCallbackKey: store?.callbackKey,
    log,
    background: after.keep,
    nudgeDeliveries: () => jobs.deliveries.nudge(),
    targetFetch: targets.fetch,
  })
  const services = processWide.forDatabase(database)
  await requireKeys(services, config.secretKeys ? 'SECRET_KEYS' : 'keys.json of DATA_DIR')
  const housekeeping = processWide.housekeepingFor(database)
  const jobs = startJobs(services, housekeeping, config.retention, log)
  stops.push(jobs.stop, after.ended)

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
      // Whoever balances the load must see it before the first connection is refused.
      ready = false
      // Requests are still served, but nobody waits for a run that is begun now.
      void jobs.stop()
      await delay(config.drainSeconds * 1000)
      await stop()
    },
  }
}

async function ownDatabase(
  config: Config,
  log: Log,
  stops: Array<() => Promise<unknown> | unknown>,
): Promise<string> {
  const directory = join(config.dataDirectory, 'postgres')
  const postgres = await startEmbeddedPostgres({ directory, log })
  stops.push(() => postgres.stop())
  return postgres.url
}

async function ownStore(
  config: Config,
  log: Log,
  stops: Array<() => Promise<unknown> | unknown>,
  serviceUrls: () => readonly string[],
): Promise<{ config: StoreConfig; url: string; callbackKey: string }> {
  const credentials = await embeddedStoreCredentials(config.dataDirectory)
  const { region, bucket, accessKeyId, secretAccessKey } = credentials
  const store = await startEmbeddedStore({
    directory: join(config.dataDirectory, 'store'),
    host: config.host,
    port: config.storePort,
    orFreePort: true,
    region,
    bucket,
    accessKeyId,
    secretAccessKey,
    clock,
    serviceUrls,
    log,
  }).catch((error: unknown) => {
    throw listenFault(error, { host: config.host, port: config.storePort, variable: 'STORE_PORT' })
  })
  stops.push(() => store.close())
  await writeSecret(join(config.dataDirectory, 'store.json'), {
    endpoint: store.url,
    region,
    bucket,
    accessKeyId,
    secretAccessKey,
  })
  return {
    url: store.url,
    callbackKey: store.callbackPublicKeyPem,
    config: {
      name: 'default',
      dialect: 'oss',
      endpoint: store.url,
      region,
      bucket,
      addressing: 'path',
      accessKeyId,
      secretAccessKey,
      roleArn: 'acs:ram::1000000000000000:role/embedded',
      stsEndpoint: store.url,
      mpsEndpoint: store.url,
      bindLength: true,
    },
  }
}
