// Repeats a job at an interval and on demand. Runs overlap only if one does not end; a failed run is logged, and the next one
// tries again.
import { errorText } from '../core/error-text.ts'
import type { Log } from '../core/ports/log.ts'

/** After this long, another run may begin beside one that has not ended. */
const PATIENCE_MS = 15 * 60_000

export function repeat(
  name: string,
  intervalMs: number,
  run: () => Promise<unknown>,
  log: Log,
  patienceMs = PATIENCE_MS,
) {
  let running: { since: number; over: Promise<void> } | undefined
  let again = false
  let stopped = false

  function start(): void {
    if (stopped) return
    if (running && Date.now() - running.since < patienceMs) {
      again = true
      return
    }
    // It claims everything by lease, so a second run is as harmless as a second process.
    if (running) log('error', `${name} does not end: another run begins beside it`)
    const since = Date.now()
    const over = run()
      .then(
        () => {},
        (error: unknown) => log('error', `${name} failed`, { error: errorText(error) }),
      )
      .then(() => {
        if (running?.over !== over) return
        running = undefined
        if (!again) return
        again = false
        start()
      })
    running = { since, over }
  }

  const timer = setInterval(start, intervalMs)
  return {
    /** Runs now, or once more after the current run. */
    nudge: start,
    /** Begins no further run. Resolves when the last one is over. */
    async stop() {
      stopped = true
      clearInterval(timer)
      await running?.over
    },
  }
}
