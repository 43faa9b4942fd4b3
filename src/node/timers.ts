// The timers of a Node process: deliveries soon after they are owed and each second, the sweep each minute.
// A run never overlaps itself; what fails is logged and comes again.
import { errorText } from '../core/error-text.ts'
import type { Log } from '../core/ports.ts'

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
): Repeated {
  let running: Promise<void> | undefined
  let again = false
  let stopped = false

  function start(): void {
    if (stopped) return
    if (running) {
      again = true
      return
    }
    running = run()
      .then(
        () => {},
        (error: unknown) => log('error', `${name} failed`, { error: errorText(error) }),
      )
      .then(() => {
        running = undefined
        if (!again) return
        again = false
        start()
      })
  }

  const timer = setInterval(start, intervalMs)
  return {
    nudge: start,
    async stop() {
      stopped = true
      clearInterval(timer)
      await running
    },
  }
}
