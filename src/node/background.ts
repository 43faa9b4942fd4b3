// Tracks work that goes on after an answer was sent, so that a stop can wait for it.
import type { Log } from '../core/ports/log.ts'
import { withTimeout } from '../net/with-timeout.ts'

/** The sweep does whatever a stop does not wait for. */
const MAX_WAIT_MS = 10_000

export function trackBackground(log: Log) {
  const running = new Set<Promise<unknown>>()
  return {
    keep(work: Promise<unknown>) {
      const settled = work.catch(() => {}).finally(() => running.delete(settled))
      running.add(settled)
    },
    /** Resolves when nothing is running any more, and after ten seconds in any case. */
    async ended() {
      await withTimeout(Promise.all(running), MAX_WAIT_MS, () =>
        log('warn', 'what goes on after an answer is left to the sweep', { count: running.size }),
      )
    },
  }
}
