// The library form: a Hono app to mount in one's own, and what else runs it. On Node it comes from library.ts, on
// Workers from worker/library.ts; `import { countersign } from 'countersign'` picks by the runtime.
import type { Hono } from 'hono'

// biome-ignore lint/suspicious/noExplicitAny: whatever environment the other app has.
export interface Countersign extends Hono<any> {
  /**
   * One run of deliveries and sweep, each thing once, and of housekeeping once an hour. What fails is logged and is due again.
   * On Workers it is what `scheduled` of the Worker calls, with what that was given; on Node `start` does it, unless you have a
   * schedule of your own.
   */
  scheduled(event?: unknown, bindings?: unknown, lifetime?: unknown): Promise<void>
  /** On Workers: what `queue` of the Worker calls, where the optional queue of nudges is bound. Delivers what is due. */
  queue(batch?: unknown, bindings?: unknown, lifetime?: unknown): Promise<void>
  /**
   * On Node: brings the database to the newest migration, then delivers each second and sweeps each minute. Further calls
   * until `close` change nothing.
   */
  start(): Promise<void>
  /**
   * On Node: ends the timers, also those of a `start` that is under way, waits for what they have begun, half a minute at
   * most, and closes the connections.
   */
  close(): Promise<void>
}
