// `countersign(…)` on Node: the whole API as a Hono app for one's own server, and the work that goes on beside it.
import { parseConfig, type Variables } from '../config.ts'
import { errorText } from '../core/error-text.ts'
import type { Countersign } from '../countersign.ts'
import { connect } from '../db/connect.ts'
import { migrate } from '../db/migrate.ts'
import { deliverDue } from '../delivery/deliver.ts'
import { httpApp } from '../http/app.ts'
import { publicPath } from '../http/public-path.ts'
import { jsonLog } from '../log.ts'
import { type HousekeepingServices, keepHouse } from '../schedule/housekeeping.ts'
import { runScheduled } from '../schedule/run.ts'
import { configured, processServices } from '../services.ts'
import { background } from './background.ts'
import { guardedFetch } from './guarded-fetch.ts'
import { HOUSEKEEPING_EVERY_MS, type Jobs, startJobs } from './jobs.ts'
import { requireKeys } from './keys.ts'

export { ConfigError, type Variables } from '../config.ts'
export type { Countersign } from '../countersign.ts'

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
  let started: Promise<Jobs> | undefined
  /** The last close: whatever is begun or closed after it waits for it. */
  let closed = Promise.resolve()
  let tidiedAt = Number.NEGATIVE_INFINITY

  async function open() {
    const { database, close } = connect(config.databaseUrl!, {
      maxConnections: config.databasePoolSize,
      statementMs: config.databaseStatementMs,
      waitMs: config.databaseWaitMs,
    })
    const targets = guardedFetch({ allowPrivate: config.allowPrivateTargets })
    const after = background(log)
    const processWide = await processServices({
      ...configured(config),
      log,
      background: after.keep,
      nudgeDeliveries: () =>
        void started?.then(
          ({ deliveries }) => deliveries.nudge(),
          () => {},
        ),
      targetFetch: targets.fetch,
    })
    return {
      services: processWide.forDatabase(database),
      housekeeping: processWide.housekeepingFor(database),
      async close() {
        await after.ended()
        targets.close()
        await close()
      },
    }
  }
  const running = () => {
    opened ??= open()
    return opened
  }

  async function begin(): Promise<Jobs> {
    await closed.catch(() => {})
    await migrate(config.databaseUrl!, (warning) => log('warn', warning))
    const { services, housekeeping } = await running()
    await requireKeys(services)
    const jobs = startJobs(services, housekeeping, config.retention, log)
    jobs.begin()
    return jobs
  }

  async function end(begun: typeof started): Promise<void> {
    // Whoever called `start` is told of its failure.
    const jobs = await begun?.catch(() => undefined)
    await jobs?.stop()
    const connected = opened
    opened = undefined
    await (await connected)?.close()
  }

  /** What fails is logged, is due again, and keeps nothing else from its turn. */
  const step = (name: string, run: () => Promise<unknown>) =>
    run().catch((error: unknown) => log('error', `${name} failed`, { error: errorText(error) }))

  /** Of a schedule that calls each minute, once an hour: it looks through every app. */
  async function tidy(housekeeping: HousekeepingServices): Promise<void> {
    const now = housekeeping.clock().getTime()
    if (now - tidiedAt < HOUSEKEEPING_EVERY_MS) return
    tidiedAt = now
    await keepHouse(housekeeping, { keep: config.retention })
  }

  const app = httpApp({
    servicesFor: async () => (await running()).services,
    basePath: () => publicPath(config.publicUrl),
  })
  return Object.assign(app, {
    async scheduled() {
      const { services, housekeeping } = await running()
      await step('delivery', () => deliverDue(services))
      await step('sweep', () => runScheduled(services))
      await step('housekeeping', () => tidy(housekeeping))
    },
    async queue() {
      const { services } = await running()
      await step('delivery', () => deliverDue(services))
    },
    async start() {
      started ??= begin()
      const begun = started
      try {
        await begun
      } catch (error) {
        // The next call tries again.
        if (started === begun) started = undefined
        throw error
      }
    },
    close() {
      const begun = started
      started = undefined
      closed = closed.catch(() => {}).then(() => end(begun))
      return closed
    },
  })
}
