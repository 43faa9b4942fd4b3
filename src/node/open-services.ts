// Opens what every Node process of the service needs: the database's connections, the guarded fetch, and the services.
import type { Config } from '../config.ts'
import type { Log } from '../core/ports/log.ts'
import { connect } from '../db/connect.ts'
import { configured, type ProcessOptions, processServices } from '../services.ts'
import { trackBackground } from './background.ts'
import { guardedFetch } from './guarded-fetch.ts'

/** `options` stand above the configuration, for what a process generates or learns while it starts. */
export async function openServices(
  config: Config,
  databaseUrl: string,
  log: Log,
  options: Partial<ProcessOptions>,
) {
  const { database, close } = connect(databaseUrl, {
    maxConnections: config.databasePoolSize,
    statementMs: config.databaseStatementMs,
    waitMs: config.databaseWaitMs,
    prepare: config.databasePrepare,
  })
  const targets = guardedFetch({ allowPrivate: config.allowPrivateTargets })
  const background = trackBackground(log)
  const processWide = await processServices({
    ...configured(config),
    log,
    background: background.keep,
    targetFetch: targets.fetch,
    ...options,
  })
  return {
    services: processWide.forDatabase(database),
    housekeeping: processWide.housekeepingFor(database),
    /** Waits for what goes on in the background, then closes all connections. */
    async close() {
      await background.ended()
      targets.close()
      await close()
    },
  }
}
