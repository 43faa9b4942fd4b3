// What a sweep did. Each step returns what it did itself, and `add` sums the steps up.
import type { ListedUpload } from '../../core/ports/object-store.ts'

const NOTHING = {
  /** Callbacks and sessions that were looked at. */
  looked: 0,
  /** Looks that failed because the store or the database did not answer. */
  unanswered: 0,
  /** Sessions whose storage is released, and the bytes that they had reserved. */
  released: 0,
  releasedBytes: 0,
  /** Storage uploads of ours that no row names, and the age of the oldest. All are aborted. */
  orphans: 0,
  oldestOrphanSeconds: 0,
  /** Storage uploads below an App's prefix that are not ours, and the age of the oldest. */
  foreign: 0,
  oldestForeignSeconds: 0,
  /** Foreign uploads that were aborted: only in a store that is `exclusive`. */
  foreignAborted: 0,
  /** Sessions with an unknown outcome, whose storage is left for an operator. */
  kept: 0,
}
const MAXIMA: ReadonlySet<string> = new Set(['oldestOrphanSeconds', 'oldestForeignSeconds'])

/** What one run did. Sums over runs make the counters of a metrics page. */
export type SweepCounts = typeof NOTHING

/** What one step did; a count that it leaves out is zero. */
export type Done = Partial<SweepCounts>

export function add(...steps: readonly Done[]): SweepCounts {
  const sum = { ...NOTHING }
  for (const name of Object.keys(NOTHING) as Array<keyof SweepCounts>) {
    const values = steps.map((step) => step[name] ?? 0)
    sum[name] = MAXIMA.has(name) ? Math.max(0, ...values) : values.reduce((a, b) => a + b, 0)
  }
  return sum
}

export const ageSeconds = ({ initiatedAt }: ListedUpload, now: Date): number =>
  Math.max(0, Math.round((now.getTime() - initiatedAt.getTime()) / 1000))

export const countOrphans = (orphans: readonly ListedUpload[], now: Date): Done => ({
  orphans: orphans.length,
  oldestOrphanSeconds: Math.max(0, ...orphans.map((orphan) => ageSeconds(orphan, now))),
})
