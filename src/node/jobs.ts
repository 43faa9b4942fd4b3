// What a Node process does on its own: deliveries each second, the sweep each minute, housekeeping each hour.
import type { Log } from '../core/ports.ts'
import type { Retention } from '../core/retention.ts'
import { type DeliverServices, deliverDue } from '../delivery/deliver.ts'
import { runScheduled } from '../scheduled.ts'
import { type HousekeepingServices, keepHouse } from '../uploads/housekeeping.ts'
import type { SweepServices } from '../uploads/sweep.ts'
import { type Repeated, repeat } from './timers.ts'

const DELIVER_EVERY_MS = 1_000
const SWEEP_EVERY_MS = 60_000
const HOUSEKEEPING_EVERY_MS = 3_600_000

export interface Jobs {
  deliveries: Repeated
  /** A first run of what comes seldom: what an earlier process left does not wait for the hour. */
  begin(): void
  /** Resolves when none is under way any more. */
  stop(): Promise<void>
}

export function startJobs(
  services: DeliverServices & SweepServices,
  housekeepingServices: HousekeepingServices,
  keep: Retention,
  log: Log,
): Jobs {
  const ending = new AbortController()
  const { signal } = ending
  const deliveries = repeat('delivery', DELIVER_EVERY_MS, () => deliverDue(services), log)
  const sweeping = repeat('sweep', SWEEP_EVERY_MS, () => runScheduled(services), log)
  const housekeeping = repeat(
    'housekeeping',
    HOUSEKEEPING_EVERY_MS,
    () => keepHouse(housekeepingServices, { keep, signal }),
    log,
  )
  return {
    deliveries,
    begin() {
      sweeping.nudge()
      housekeeping.nudge()
    },
    async stop() {
      ending.abort()
      await Promise.all([deliveries.stop(), sweeping.stop(), housekeeping.stop()])
    },
  }
}
