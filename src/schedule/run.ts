// What is done on schedule, on every runtime: sessions are swept, then stores are asked about what they work on. And how a
// run is shared out where its outgoing requests are bounded.
import { errorText } from '../core/error-text.ts'
import { appsWithin, inTurn, keeping, sharesOf } from '../core/ports/budget.ts'
import { type DeliverServices, deliverDue, pollRunning } from '../delivery/deliver.ts'
import { type SweepCounts, type SweepServices, sweep } from '../uploads/sweep/sweep.ts'

export type ScheduledServices = SweepServices & DeliverServices

export async function runScheduled(
  services: ScheduledServices,
): Promise<SweepCounts & { polled: number }> {
  const counts = await sweep(services)
  return { ...counts, polled: await pollRunning(services) }
}

/**
 * A whole run within the budget of its services: deliveries, the sweep, and housekeeping where it is time for it. Each leaves
 * to those behind it what they can count on, and what it does not need; what nobody needed is for deliveries again. One that
 * fails keeps no other from its turn.
 */
export async function runWithin(
  services: ScheduledServices,
  keepHouse?: () => Promise<unknown>,
): Promise<void> {
  const { budget, log } = services
  const shares = sharesOf(budget.left, keepHouse !== undefined)
  const leaving = (count: number) => ({ ...services, budget: keeping(budget, count) })
  const parts: Array<[string, (() => Promise<unknown>) | undefined]> = [
    ['delivery', () => deliverDue(leaving(shares.sweep + shares.housekeeping))],
    ['sweep', () => runScheduled(ofAppsInTurn(leaving(shares.housekeeping)))],
    ['housekeeping', keepHouse],
    ['delivery', () => deliverDue(services)],
  ]
  for (const [name, part] of parts) {
    await part?.().catch((error: unknown) =>
      log('error', `${name} failed`, { error: errorText(error) }),
    )
  }
}

/** Every app that has something due is asked for it, which alone can take all that a run has. */
function ofAppsInTurn(services: ScheduledServices): ScheduledServices {
  const { uploads, budget } = services
  return {
    ...services,
    uploads: {
      ...uploads,
      async appsWithDueWork(now) {
        const due = await uploads.appsWithDueWork(now)
        return inTurn(due, appsWithin(budget.left), Math.floor(now.getTime() / 60_000))
      },
    },
  }
}
