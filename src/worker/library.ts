// `countersign()` on Cloudflare Workers: the app, its schedule and its queue.
import type { Context } from 'hono'
import { ConfigError, type Variables } from '../config.ts'
import { errorText } from '../core/error-text.ts'
import { budgetOf } from '../core/ports/budget.ts'
import { Problem } from '../core/problem.ts'
import type { Countersign } from '../countersign.ts'
import { deliverDue } from '../delivery/deliver.ts'
import { httpApp } from '../http/app.ts'
import type { RequestServices } from '../http/environment.ts'
import { publicPath } from '../http/public-path.ts'
import { jsonLog } from '../log.ts'
import { runWithin } from '../schedule/run.ts'
import { type Bindings, type Lifetime, variablesOf } from './bindings.ts'
import { type Isolate, isolateOf } from './isolate.ts'
import { notificationsOf, receiveMessages } from './queue.ts'
import { openRequest, openWork, type Work } from './work.ts'

/** Logs when there is no valid configuration. */
const logFault = jsonLog((line) => console.log(line), {
  level: 'error',
  clock: () => new Date(),
})

/** A ConfigError names variables and their rules, never their values, so each of its lines can be shown. */
const faultsOf = (error: unknown) =>
  error instanceof ConfigError ? error.message.split('\n') : [errorText(error)]

/** The schedule runs each minute, and housekeeping once an hour; a call without an event includes it. */
const isHousekeepingTime = (event: unknown) =>
  new Date((event as { scheduledTime?: number })?.scheduledTime ?? 0).getUTCMinutes() === 0

const onlyOnNode = async () => {
  throw new TypeError(
    'This is for Node: on Workers `scheduled` does the work, and the runtime ends it.',
  )
}

/**
 * The API, its schedule and its queue. The Worker's variables, secrets and bindings configure it; `variables` override them.
 *
 * ```ts
 * const uploads = countersign()
 * app.route('/uploads', uploads)
 * export default { fetch: app.fetch, scheduled: uploads.scheduled }
 * ```
 */
export function countersign(variables: Variables = {}): Countersign {
  const isolate = isolateOf(variables)

  async function servicesFor({ env, executionCtx }: Context): Promise<RequestServices> {
    try {
      return openRequest(await isolate(env), env, executionCtx)
    } catch (error) {
      const faults = faultsOf(error)
      logFault('error', 'a request could not begin', { faults })
      if (!(error instanceof ConfigError)) throw error
      const detail = `The operator has to set: ${faults.join('; ')}. See docs/deploy-workers.md.`
      throw new Problem('misconfigured', { detail })
    }
  }

  /** Logs failures and never rejects: what failed is due again. */
  async function run(
    step: (work: Work, opened: Isolate) => Promise<unknown>,
    bindings: Bindings,
    lifetime: Lifetime,
  ): Promise<void> {
    try {
      const opened = await isolate(bindings)
      const work = openWork(opened, bindings, budgetOf(opened.config.runRequests))
      await step(work, opened).catch((error: unknown) =>
        opened.log('error', 'a run failed', { error: errorText(error) }),
      )
      lifetime.waitUntil(work.end())
    } catch (error) {
      logFault('error', 'a run could not begin', { faults: faultsOf(error) })
    }
  }

  const app = httpApp({
    servicesFor,
    basePath: (bindings) =>
      publicPath(variables.PUBLIC_URL ?? variablesOf((bindings ?? {}) as Bindings).PUBLIC_URL),
  })
  return Object.assign(app, {
    scheduled: (event: unknown, bindings: unknown, lifetime: unknown) =>
      run(
        ({ services, keepHouse }) =>
          runWithin(services, isHousekeepingTime(event) ? keepHouse : undefined),
        bindings as Bindings,
        lifetime as Lifetime,
      ),
    async queue(batch: unknown, bindings: unknown, lifetime: unknown) {
      const messages = new Set(notificationsOf(batch))
      await run(
        async ({ services }, { config }) => {
          const stores = config.stores.map(({ name }) => name)
          await receiveMessages(services, stores, messages)
          await deliverDue(services)
        },
        bindings as Bindings,
        lifetime as Lifetime,
      )
      // A run never rejects, and a message that is not retried is gone.
      for (const message of messages) message.retry()
    },
    start: onlyOnNode,
    close: onlyOnNode,
  })
}
