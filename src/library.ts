// `countersign(…)` on Node: the whole API as a Hono app for one's own server, and the work that goes on beside it.
import { parseConfig, type Variables } from './config.ts'
import type { Countersign } from './countersign.ts'
import { connect } from './db/connect.ts'
import { migrate } from './db/migrate.ts'
import { deliverDue } from './delivery/deliver.ts'
import { httpApp } from './http/app.ts'
import { publicPath } from './http/public-path.ts'
import { jsonLog } from './log.ts'
import { background } from './node/background.ts'
import { type Jobs, startJobs } from './node/jobs.ts'
import { nodeSender } from './node/send-webhook.ts'
import { runScheduled } from './scheduled.ts'
import { configured, processServices } from './services.ts'
import { verifyRsaMd5 } from './storage/oss/rsa-native.ts'
import { keepHouse } from './uploads/housekeeping.ts'

export { ConfigError, type Variables } from './config.ts'
export type { Countersign } from './countersign.ts'

export interface CountersignOptions {
  /** Takes one JSON line per event; stderr unless given. */
  log?: (line: string) => void
}

/**
 * The same configuration as the service's environment, by the same names: the environment itself, or an object. Nothing is
 * embedded, so DATABASE_URL, PUBLIC_URL, a store and the keys are needed. Throws ConfigError naming what is missing.
 * Nothing is opened before the first request or `start`.
 *
 * ```ts
 * const uploads = countersign({ DATABASE_URL: …, PUBLIC_URL: …, … })
 * app.route('/uploads', uploads) // PUBLIC_URL=https://example.com/uploads
 * await uploads.start()
 * ```
 */
export function countersign(
  variables: Variables = {},
  options: CountersignOptions = {},
): Countersign {
  const config = parseConfig(variables, ['DATABASE_URL', 'PUBLIC_URL', 'STORE_DIALECT'])
  const write = options.log ?? ((line: string) => void process.stderr.write(`${line}\n`))
  const log = jsonLog(write, { level: config.logLevel, clock: () => new Date() })
  let opened: ReturnType<typeof open> | undefined
  let jobs: Jobs | undefined

  async function open() {
    const { database, close } = connect(config.databaseUrl!, {
      maxConnections: config.databasePoolSize,
      statementMs: config.databaseStatementMs,
    })
    const sender = nodeSender({ allowPrivate: config.allowPrivateTargets })
    const after = background(log)
    const processWide = await processServices({
      ...configured(config),
      verifyRsaMd5,
      log,
      background: after.keep,
      nudgeDeliveries: () => jobs?.deliveries.nudge(),
      sendWebhook: sender.send,
    })
    return {
      services: processWide.forDatabase(database),
      housekeeping: processWide.housekeepingFor(database),
      async close() {
        await after.ended()
        sender.close()
        await close()
      },
    }
  }
  const running = () => {
    opened ??= open()
    return opened
  }
  const services = async () => (await running()).services

  const app = httpApp({
    servicesFor: services,
    basePath: () => publicPath(config.publicUrl),
  })
  return Object.assign(app, {
    async scheduled() {
      await deliverDue(await services())
      await runScheduled(await services())
      await keepHouse((await running()).housekeeping, { keep: config.retention })
    },
    async queue() {
      await deliverDue(await services())
    },
    async start() {
      if (jobs) return
      await migrate(config.databaseUrl!)
      const { services, housekeeping } = await running()
      jobs = startJobs(services, housekeeping, config.retention, log)
      jobs.begin()
    },
    async close() {
      await jobs?.stop()
      jobs = undefined
      await (await opened)?.close()
      opened = undefined
    },
  })
}
