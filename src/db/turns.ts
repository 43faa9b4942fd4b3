// Bounds the wait for a connection. The driver queues statements for as long as all connections are in use, so that one stalled
// table would keep every caller waiting: here each statement and each transaction waits for its turn, and not for ever.
import type postgres from 'postgres'
import { NO_CONNECTION } from '../core/ports/database-failure.ts'

function turns(count: number, waitMs: number) {
  let free = count
  // In the order in which they came.
  const waiting = new Set<() => void>()
  return {
    /** Rejects where no turn comes in time. */
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

/** The driver hands a statement to its pool by this; its types leave it out. */
interface Queued extends Promise<unknown> {
  handler(query: unknown): void
  reject(error: unknown): void
}

/** `maxConnections` as the client has it: then its own queue stays empty. */
export function boundWaiting(client: postgres.Sql, maxConnections: number, waitMs: number): void {
  const { take, give } = turns(maxConnections, waitMs)
  const { unsafe, begin } = client

  client.unsafe = ((...given: Parameters<typeof unsafe>) => {
    const query = unsafe(...given)
    // The statement that begins a transaction: that has its turn already.
    if (given[2] && 'onexecute' in given[2]) return query
    const queued = query as unknown as Queued
    const { handler, reject } = queued
    queued.handler = (sent) =>
      void take().then(() => {
        // The driver's own `then` would send the statement, which is what `handler` does.
        Promise.prototype.then.call(query, give, give)
        handler(sent)
      }, reject)
    return query
  }) as typeof unsafe // A generic function, passed on as it was called.

  client.begin = (async (...given: Parameters<typeof begin>) => {
    await take()
    try {
      return await begin(...given)
    } finally {
      give()
    }
  }) as typeof begin // An overloaded function, passed on as it was called.
}
