// `countersign(…)` on Node: the whole API as a Hono app for one's own server, and the work that goes on beside it.
import { parseConfig, type Variables } from './config.ts'
import type { Countersign } from './countersign.ts'
import { connect } from './db/connect.ts'
import { migrate } from './db/migrate.ts'
import { deliverDue } from './delivery/deliver.ts'
import { httpApp } from './http/app.ts'
import { publicPath } from './http/public-path.ts'
import { jsonLog } from './log.ts'
import { nodeSender } from './node/send-webhook.ts'
import { repeat } from './node/timers.ts'
import { runScheduled } from './scheduled.ts'
import { processServices } from './services.ts'
import { verifyRsaMd5 } from './storage/oss/rsa-native.ts'

export { ConfigError, type Variables } from './config.ts'
export type { Countersign } from './countersign.ts'

const POOL_SIZE = 10
const DELIVER_EVERY_MS = 1_000
const SWEEP_EVERY_MS = 60_000

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
  let timers: Array<ReturnType<typeof repeat>> = []

  async function open() {
    const { database, close } = connect(config.databaseUrl!, { maxConnections: POOL_SIZE })
    const sender = nodeSender({ allowPrivate: config.allowPrivateTargets })
    const background = new Set<Promise<unknown>>()
    const processWide = await processServices({
      secretKeys: config.secretKeys!,
      adminKey: config.adminKey,
      publicUrl: () => config.publicUrl!,
      callbackUrls: config.callbackUrls,
      allowPrivateTargets: config.allowPrivateTargets,
      embedded: false,
      stores: config.stores,
      embeddedCallbackKey: config.embeddedCallbackKey,
      verifyRsaMd5,
      log,
      background(work) {
        const settled = work.catch(() => {}).finally(() => background.delete(settled))
        background.add(settled)
      },
      nudgeDeliveries: () => timers[0]?.nudge(),
      sendWebhook: sender.send,
    })
    return {
      services: processWide.forDatabase(database),
      async close() {
        await Promise.all(background)
        sender.close()
        await close()
      },
    }
  }
  const services = async () => {
    opened ??= open()
    return (await opened).services
  }

  const app = httpApp({
    servicesFor: services,
    basePath: () => publicPath(config.publicUrl),
  })
  return Object.assign(app, {
    async scheduled() {
      await deliverDue(await services())
      await runScheduled(await services())
    },
    async queue() {
      await deliverDue(await services())
    },
    async start() {
      if (timers.length) return
      await migrate(config.databaseUrl!)
      const current = await services()
      timers = [
        repeat('delivery', DELIVER_EVERY_MS, () => deliverDue(current), log),
        repeat('sweep', SWEEP_EVERY_MS, () => runScheduled(current), log),
      ]
      timers[1]?.nudge()
    },
    async close() {
      await Promise.all(timers.map((timer) => timer.stop()))
      timers = []
      await (await opened)?.close()
      opened = undefined
    },
  })
}
