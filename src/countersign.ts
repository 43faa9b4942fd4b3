// The library: a Hono app to mount in your own, and the methods that run its background work. On Node it comes from
// node/library.ts, on Workers from worker/library.ts; `import { countersign } from 'countersign'` picks by the runtime.
import type { Hono } from 'hono'

/**
 * The whole API, to mount at the path of PUBLIC_URL.
 *
 * @example
 * const uploads = countersign(variables)
 * await uploads.start()
 * const app = new Hono().route('/uploads', uploads)
 */
// biome-ignore lint/suspicious/noExplicitAny: the other app may have any environment.
export interface Countersign extends Hono<any> {
  /**
   * Runs deliveries and the sweep once, and housekeeping once an hour. Failures are logged and due again. On Workers, call it
   * from `scheduled` with the same arguments. On Node, `start` calls it, unless you have a schedule of your own.
   */
  scheduled(event?: unknown, bindings?: unknown, lifetime?: unknown): Promise<void>
  /**
   * On Workers, call it from `queue` if the queue of nudges is bound, or one to which R2 reports objects. Receives what R2 reports,
   * and makes the deliveries that are due.
   */
  queue(batch?: unknown, bindings?: unknown, lifetime?: unknown): Promise<void>
  /**
   * On Node: migrates the database, then delivers each second and sweeps each minute. Further calls until `close` change
   * nothing.
   */
  start(): Promise<void>
  /**
   * On Node: stops the timers, including those of a `start` in progress, waits up to half a minute for work that has begun, and
   * closes the connections.
   */
  close(): Promise<void>
}
