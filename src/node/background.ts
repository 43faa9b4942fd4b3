// What goes on after an answer was sent, kept track of so that a stop can wait for it.
import type { Log } from '../core/ports/log.ts'
import { withTimeout } from '../net/with-timeout.ts'

/** A callback that was answered before it was worked through: what is not over then is left to the sweep. */
const END_MS = 10_000

export interface Background {
  keep(work: Promise<unknown>): void
  /** Resolves when nothing goes on any more, and after ten seconds in any case. */
  ended(): Promise<void>
}

export function background(log: Log): Background {
  const under = new Set<Promise<unknown>>()
  return {
    keep(work) {
      const settled = work.catch(() => {}).finally(() => under.delete(settled))
      under.add(settled)
    },
    async ended() {
      await withTimeout(Promise.all(under), END_MS, () =>
        log('warn', 'what goes on after an answer is left to the sweep', { count: under.size }),
      )
    },
  }
}
