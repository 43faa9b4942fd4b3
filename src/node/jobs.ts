// The scheduled work of a Node process: deliveries each second, the sweep each minute, housekeeping each hour.
import type { Budget } from '../core/ports/budget.ts'
import type { Log } from '../core/ports/log.ts'
import type { Services } from '../core/ports/services.ts'
import type { Retention } from '../core/retention.ts'
import { deliverer } from '../delivery/deliver.ts'
import { withTimeout } from '../net/with-timeout.ts'
import { type HousekeepingServices, keepHouse } from '../schedule/housekeeping.ts'
import { runScheduled } from '../schedule/run.ts'
import { type Repeated, repeat } from './timers.ts'

const DELIVER_EVERY_MS = 1_000
/** A run of deliveries only asks what is due; it does not wait for the deliveries themselves. */
const QUESTION_MS = 120_000
const SWEEP_EVERY_MS = 60_000
export const HOUSEKEEPING_EVERY_MS = 3_600_000
/** Twice the time-out of a webhook. A call to a store may take longer; its lease expires then. */
const STOP_MS = 30_000

export interface Jobs {
  deliveries: Repeated
  /** Sweeps and keeps house now, so that leftovers of an earlier process do not wait for an hour. */
  begin(): void
  /**
   * Begins no further run and, within a run, no further batch, session or page. Resolves when the current work is over, and after
   * half a minute in any case: work that was claimed and not finished is due again when its lease ends.
   */
  stop(): Promise<void>
}

/** The budget, but empty once the signal aborts, so that a stopped run ends like one that has spent its budget. */
const until = (signal: AbortSignal, budget: Budget): Budget => ({
  get left() {
    return signal.aborted ? 0 : budget.left
  },
  spend: () => budget.spend(),
})

export function startJobs(
  services: Services,
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
