// What lives as long as one request or one run: the database client, and the work that goes on after the answer.
import { createConnection } from 'node:net'
import { errorText } from '../core/error-text.ts'
import { type Budget, budgetOf, unbounded } from '../core/ports/budget.ts'
import { connect } from '../db/connect.ts'
import { deliverDue } from '../delivery/deliver.ts'
import type { RequestServices } from '../http/environment.ts'
import { keepHouse } from '../schedule/housekeeping.ts'
import type { Bindings, Lifetime } from './bindings.ts'
import type { Isolate } from './isolate.ts'

/** Hyperdrive pools; a request needs few connections of its own. */
const MAX_CONNECTIONS = 3
/** Workers give half a minute after the answer. The schedule delivers the rest. */
const REQUESTS_AFTER_ANSWER = 30

/** In workerd the driver's own socket ends with an unhandled rejection (porsager/postgres#1196). */
function openSocket({ host, port }: { host: string[]; port: number[] }): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host: host[0] ?? 'localhost', port: port[0] ?? 5432 })
    socket.once('connect', () => resolve(socket))
    socket.once('error', reject)
  })
}

export type Work = ReturnType<typeof openWork>

/** `budget` bounds a scheduled run. A request needs none: its flow bounds it. */
export function openWork({ services, config, log }: Isolate, bindings: Bindings, budget?: Budget) {
  let spent = budget ?? unbounded
  const { database, close } = connect(bindings.HYPERDRIVE!.connectionString, {
    maxConnections: MAX_CONNECTIONS,
    prepare: config.databasePrepare,
    socket: openSocket,
    onStatement: () => spent.spend(),
  })
  const running = new Set<Promise<unknown>>()
  let owesDeliveries = false
  const work = {
    background(promise: Promise<unknown>) {
      const settled = promise.catch(() => {}).finally(() => running.delete(settled))
      running.add(settled)
    },
    nudgeDeliveries() {
      owesDeliveries = true
    },
  }
  const requestServices = services.forDatabase(database, { ...work, budget })

  async function finishBackground(): Promise<void> {
    while (running.size) await Promise.all(running)
    if (!owesDeliveries) return
    if (bindings.NUDGES) return void (await bindings.NUDGES.send('deliver'))
    spent = budget ?? budgetOf(REQUESTS_AFTER_ANSWER)
    await deliverDue(services.forDatabase(database, { ...work, budget: spent }))
  }

  return {
    services: requestServices,
    /** Removes rows past their retention, as far as the run's budget allows. */
    keepHouse: () =>
      keepHouse(services.housekeepingFor(database, budget), { keep: config.retention }),
    /** Resolves when the background work is over and the connection is closed. */
    async end() {
      try {
        await finishBackground()
      } catch (error) {
        log('warn', 'deliveries are left to the schedule', { error: errorText(error) })
      } finally {
        await close().catch(() => {})
      }
    },
  }
}

/** Services for one request. `release` lets its work go on after the answer. */
export function openRequest(
  isolate: Isolate,
  bindings: Bindings,
  lifetime: Lifetime,
): RequestServices {
  const { services, end } = openWork(isolate, bindings)
  return { ...services, release: () => lifetime.waitUntil(end()) }
}
