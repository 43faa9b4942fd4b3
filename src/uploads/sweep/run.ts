// One run of the sweep: what it has counted, and which stores it has given up on until the next run.
import { errorText } from '../../core/error-text.ts'
import type { ListedUpload } from '../../core/ports/object-store.ts'
import type { Services } from '../../core/ports/services.ts'
import { isStoreFailure } from '../../core/ports/store-failure.ts'
import type { CallbackServices } from '../callback.ts'

/** What a callback needs, since leftovers of the inbox are the sweep's first task. */
export type SweepServices = CallbackServices & Pick<Services, 'scans'>

/** What one run did. Sums over runs make the counters of a metrics page. */
export interface SweepCounts {
  /** Callbacks and sessions that were looked at. */
  looked: number
  /** Looks that came to nothing, since the store or the database did not answer. */
  unanswered: number
  /** Sessions whose storage the store agreed to be released, and the bytes that they had reserved. */
  released: number
  releasedBytes: number
  /** Storage uploads begun by us that no row named, and the age of the oldest. All are aborted. */
  orphans: number
  oldestOrphanSeconds: number
  /** Storage uploads below an App's prefix that are not ours, and the age of the oldest. */
  foreign: number
  oldestForeignSeconds: number
  /** Of them, those that were aborted: only in a store that is `exclusive`. */
  foreignAborted: number
  /** Sessions whose outcome nobody knows and whose storage is kept: looked at once a day. */
  kept: number
}

export interface SweepRun {
  services: SweepServices
  counts: SweepCounts
  /** Stores that did not answer in this run: what is theirs waits for the next. */
  down: Set<string>
  endsAt: number
}

export const beginRun = (services: SweepServices, runMs: number): SweepRun => ({
  services,
  counts: {
    looked: 0,
    unanswered: 0,
    released: 0,
    releasedBytes: 0,
    orphans: 0,
    oldestOrphanSeconds: 0,
    foreign: 0,
    oldestForeignSeconds: 0,
    foreignAborted: 0,
    kept: 0,
  },
  down: new Set(),
  endsAt: services.clock().getTime() + runMs,
})

/** Outgoing requests that must be left before another thing is begun: where they are bounded, the next run goes on. */
const REQUESTS_AHEAD = 16

export const isOver = ({ services, endsAt }: SweepRun): boolean =>
  services.clock().getTime() >= endsAt || services.budget.left < REQUESTS_AHEAD

/** How many sessions, of so many, are worth a claim: what is claimed and not reached has to wait. */
export const worthClaiming = ({ services }: SweepRun, most: number): number =>
  Math.min(most, Math.max(1, Math.floor(services.budget.left / REQUESTS_AHEAD)))

export const secondsSince = ({ services }: SweepRun, at: Date): number =>
  Math.max(0, Math.round((services.clock().getTime() - at.getTime()) / 1000))

export function countOrphans(run: SweepRun, orphans: readonly ListedUpload[]): void {
  const { counts } = run
  counts.orphans += orphans.length
  for (const { initiatedAt } of orphans) {
    counts.oldestOrphanSeconds = Math.max(
      counts.oldestOrphanSeconds,
      secondsSince(run, initiatedAt),
    )
  }
}

/**
 * One thing that cannot be looked at must not keep the others from it. A store that gave no answer at all is left alone until
 * the next run: each further call would wait as long.
 */
export async function guarded(
  run: SweepRun,
  { store, ...fields }: { store: string; app: string; upload?: string },
  look: () => Promise<unknown>,
): Promise<void> {
  const { services, counts, down } = run
  try {
    await look()
  } catch (error) {
    counts.unanswered++
    if (isStoreFailure(error) && error.status === 0) down.add(store)
    const reason = isStoreFailure(error) ? error.code : errorText(error)
    services.log('warn', 'the sweep could not look', { ...fields, store, reason })
  }
}
