// The scheduled work of every runtime: sweeps sessions, then polls stores. Divides a run whose outgoing requests are bounded.
import { errorText } from '../core/error-text.ts'
import { appsWithin, inTurn, keeping, sharesOf } from '../core/ports/budget.ts'
import type { Services } from '../core/ports/services.ts'
import { deliverDue, pollRunning } from '../delivery/deliver.ts'
import { type SweepCounts, sweep } from '../uploads/sweep/sweep.ts'

export async function runScheduled(services: Services): Promise<SweepCounts & { polled: number }> {
  const counts = await sweep(services)
  return { ...counts, polled: await pollRunning(services) }
}

/**
 * A whole run within one budget: deliveries, the sweep, and housekeeping if it is due. Each part leaves the later parts their
 * share. Deliveries use what is left at the end. A part that fails does not keep the others from their turn.
 */
export async function runWithin(
  services: Services,
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

/** Sweeps only as many apps as the budget allows, because a query for each app could use up the whole run. */
function ofAppsInTurn(services: Services): Services {
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
