// The timers of a Node process: deliveries soon after they are owed and each second, the sweep each minute.
// A run overlaps itself only if it does not end; what fails is logged and comes again.
import { errorText } from '../core/error-text.ts'
import type { Log } from '../core/ports/log.ts'

/** How long a run may take before another one may begin beside it. */
const PATIENCE_MS = 15 * 60_000

export interface Repeated {
  /** Runs now, or once more after the run that is under way. */
  nudge(): void
  /** No further run; resolves when the last one is over. */
  stop(): Promise<void>
}

export function repeat(
  name: string,
  intervalMs: number,
  run: () => Promise<unknown>,
  log: Log,
  patienceMs = PATIENCE_MS,
): Repeated {
  let running: { since: number; over: Promise<void> } | undefined
  let again = false
  let stopped = false

  function start(): void {
    if (stopped) return
    if (running && Date.now() - running.since < patienceMs) {
      again = true
      return
    }
    // Whatever it holds is held by lease, so another run beside it is as harmless as another process.
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
    nudge: start,
    async stop() {
      stopped = true
      clearInterval(timer)
      await running?.over
    },
  }
}
