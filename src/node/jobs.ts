// What a Node process does on its own: deliveries each second, the sweep each minute, housekeeping each hour.
import type { Budget } from '../core/ports/budget.ts'
import type { Log } from '../core/ports/log.ts'
import type { Retention } from '../core/retention.ts'
import { type DeliverServices, deliverer } from '../delivery/deliver.ts'
import { withTimeout } from '../net/with-timeout.ts'
import { type HousekeepingServices, keepHouse } from '../schedule/housekeeping.ts'
import { runScheduled } from '../schedule/run.ts'
import type { SweepServices } from '../uploads/sweep/sweep.ts'
import { type Repeated, repeat } from './timers.ts'

const DELIVER_EVERY_MS = 1_000
/** A run of deliveries asks what is due and waits for nothing else. */
const QUESTION_MS = 120_000
const SWEEP_EVERY_MS = 60_000
export const HOUSEKEEPING_EVERY_MS = 3_600_000
/** Twice what a webhook may take. A store may keep us waiting for longer; its leases end. */
const STOP_MS = 30_000

export interface Jobs {
  deliveries: Repeated
  /** A first run of what comes seldom: what an earlier process left does not wait for the hour. */
  begin(): void
  /**
   * Nothing is begun from now on: no run, and within a run no batch, session or page. Resolves when what is under way is over,
   * and after half a minute in any case: what was claimed and not settled comes again when its lease ends.
   */
  stop(): Promise<void>
}

/** Once the signal aborts, nothing is left of it: a run that is to stop ends where one does that has spent its budget. */
const until = (signal: AbortSignal, budget: Budget): Budget => ({
  get left() {
    return signal.aborted ? 0 : budget.left
  },
  spend: () => budget.spend(),
})

export function startJobs(
  services: DeliverServices & SweepServices,
  housekeepingServices: HousekeepingServices,
  keep: Retention,
  log: Log,
): Jobs {
  const ending = new AbortController()
  const { signal } = ending
  const work = { ...services, budget: until(signal, services.budget) }
  const tidying = {
    ...housekeepingServices,
    budget: until(signal, housekeepingServices.budget),
  }
  const { begin, ended } = deliverer(work)
  const deliveries = repeat('delivery', DELIVER_EVERY_MS, begin, log, QUESTION_MS)
  const sweeping = repeat('sweep', SWEEP_EVERY_MS, () => runScheduled(work), log)
  const housekeeping = repeat(
    'housekeeping',
    HOUSEKEEPING_EVERY_MS,
    () => keepHouse(tidying, { keep }),
    log,
  )
  let stopping: Promise<void> | undefined
  async function end(): Promise<void> {
    ending.abort()
    const over = Promise.all([deliveries.stop().then(ended), sweeping.stop(), housekeeping.stop()])
    await withTimeout(over, STOP_MS, () =>
      log('warn', 'what is under way is left: it comes again when its lease ends'),
    )
  }
  return {
    deliveries,
    begin() {
      sweeping.nudge()
      housekeeping.nudge()
    },
    stop() {
      stopping ??= end()
      return stopping
    },
  }
}
