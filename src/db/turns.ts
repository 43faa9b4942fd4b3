// Bounds the wait for a connection. The driver queues statements until a connection is free, so that one stalled table would
// make every caller wait for ever. Here each statement and each transaction waits for its turn, with a time-out.
import type postgres from 'postgres'
import { NO_CONNECTION } from '../core/ports/database-failure.ts'

function turns(count: number, waitMs: number) {
  let free = count
  // A Set keeps the order of arrival.
  const waiting = new Set<() => void>()
  return {
    /** Rejects if no turn comes in time. */
    async take(): Promise<void> {
      if (free > 0) return void free--
      await new Promise<void>((resolve, reject) => {
        const late = setTimeout(() => {
          waiting.delete(go)
          const error = new Error(`All ${count} connections were in use for ${waitMs} ms.`)
          reject(Object.assign(error, { code: NO_CONNECTION }))
        }, waitMs)
        const go = () => {
          clearTimeout(late)
          resolve()
        }
        waiting.add(go)
      })
    },
    give(): void {
      const [next] = waiting
      if (!next) return void free++
      waiting.delete(next)
      next()
    },
  }
}

/** The driver sends a statement by calling `handler`; its types leave it out. */
interface Queued extends Promise<unknown> {
  handler(query: unknown): void
  reject(error: unknown): void
}

/** `maxConnections` must equal the client's `max`, so that the driver's own queue stays empty. */
export function boundWaiting(client: postgres.Sql, maxConnections: number, waitMs: number): void {
  const { take, give } = turns(maxConnections, waitMs)
  const { unsafe, begin } = client

  client.unsafe = ((...args: Parameters<typeof unsafe>) => {
    const query = unsafe(...args)
    // `begin` has taken the turn of its transaction already.
    if (args[2] && 'onexecute' in args[2]) return query
    const queued = query as unknown as Queued
    const { handler, reject } = queued
    queued.handler = (sent) =>
      void take().then(() => {
        // Not the driver's own `then`, because that sends the statement.
        Promise.prototype.then.call(query, give, give)
        handler(sent)
      }, reject)
    return query
  }) as typeof unsafe // A generic function, passed on as it was called.

  client.begin = (async (...args: Parameters<typeof begin>) => {
    await take()
    try {
      return await begin(...args)
    } finally {
      give()
    }
  }) as typeof begin // An overloaded function, passed on as it was called.
}
