// `countersign(…)` on Node: the whole API as a Hono app to mount in another server, and its scheduled work.
import { parseConfig, type Variables } from '../config.ts'
import { errorText } from '../core/error-text.ts'
import type { Countersign } from '../countersign.ts'
import { migrate } from '../db/migrate.ts'
import { deliverDue } from '../delivery/deliver.ts'
import { httpApp } from '../http/app.ts'
import { publicPath } from '../http/public-path.ts'
import { jsonLog } from '../log.ts'
import { type HousekeepingServices, keepHouse } from '../schedule/housekeeping.ts'
import { runScheduled } from '../schedule/run.ts'
import { HOUSEKEEPING_EVERY_MS, type Jobs, startJobs } from './jobs.ts'
import { requireKeys } from './keys.ts'
import { openServices } from './open-services.ts'

export { ConfigError, type Variables } from '../config.ts'
export type { Countersign } from '../countersign.ts'

export interface CountersignOptions {
  /** Receives one JSON line per event; the default writes to stderr. */
  log?: (line: string) => void
}

/**
 * The API and its scheduled work, to mount in another server. `variables` has the names of the service's environment, and may
 * be that environment. Nothing is embedded, so DATABASE_URL, PUBLIC_URL, a store and the keys are required; throws a
 * ConfigError that names those missing. Opens nothing before the first request or `start`.
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
  let opened: ReturnType<typeof openServices> | undefined
  let started: Promise<Jobs> | undefined
  /** The last close. A later start or close waits for it. */
  let closed = Promise.resolve()
  let tidiedAt = Number.NEGATIVE_INFINITY

  const open = () => {
    opened ??= openServices(config, config.databaseUrl!, log, {
      nudgeDeliveries: () =>
        void started?.then(
          ({ deliveries }) => deliveries.nudge(),
          () => {},
        ),
    })
    return opened
  }

  async function begin(): Promise<Jobs> {
    await closed.catch(() => {})
    await migrate(config.databaseUrl!, (warning) => log('warn', warning))
    const { services, housekeeping } = await open()
    await requireKeys(services)
    const jobs = startJobs(services, housekeeping, config.retention, log)
    jobs.begin()
    return jobs
  }

  async function end(begun: typeof started): Promise<void> {
    // The caller of `start` sees its failure.
    const jobs = await begun?.catch(() => undefined)
    await jobs?.stop()
    const open = opened
    opened = undefined
    await (await open)?.close()
  }

  /** Logs a failure, so that the next step runs all the same. What failed is still due. */
  const step = (name: string, run: () => Promise<unknown>) =>
    run().catch((error: unknown) => log('error', `${name} failed`, { error: errorText(error) }))

  /** At most once an hour, because it looks through every app. */
  async function tidy(housekeeping: HousekeepingServices): Promise<void> {
    const now = housekeeping.clock().getTime()
    if (now - tidiedAt < HOUSEKEEPING_EVERY_MS) return
    tidiedAt = now
    await keepHouse(housekeeping, { keep: config.retention })
  }

  const app = httpApp({
    servicesFor: async () => (await open()).services,
    basePath: () => publicPath(config.publicUrl),
  })
  return Object.assign(app, {
    async scheduled() {
      const { services, housekeeping } = await open()
      await step('delivery', () => deliverDue(services))
      await step('sweep', () => runScheduled(services))
      await step('housekeeping', () => tidy(housekeeping))
    },
    async queue() {
      const { services } = await open()
      await step('delivery', () => deliverDue(services))
    },
    async start() {
      started ??= begin()
      const begun = started
      try {
        await begun
      } catch (error) {
        // So that the next call tries again.
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
