// What the driver (postgres 3.4.9) does wrong or does not tell, mended where statements are sent. Each part does nothing once the
// driver does it itself.
import type postgres from 'postgres'

/**
 * The driver counts rows on where an answer broke off behind some of them: the next result of that connection begins with as
 * many holes (porsager/postgres#1119, #1181). Who reads its first row would take a change that was made for a refused one. In
 * a transaction `begin` comes first, and has no rows.
 */
export function closeHoles(client: postgres.Sql): void {
  const { unsafe } = client
  client.unsafe = ((...given: Parameters<typeof unsafe>) => {
    const query = unsafe(...given)
    // What the driver calls with the result; its types leave it out.
    const settled = query as unknown as { resolve(rows: unknown[]): void }
    const { resolve } = settled
    settled.resolve = (rows) => {
      while (rows.length > 0 && !(0 in rows)) rows.shift()
      resolve(rows)
    }
    return query
  }) as typeof unsafe // A generic function, passed on as it was called.
}

/** `begin` and what ends it are sent by the driver itself, past drizzle's log. */
export function countTransactions(client: postgres.Sql, onStatement: () => void): void {
  const { begin } = client
  client.begin = ((...given: Parameters<typeof begin>) => {
    onStatement()
    onStatement()
    return begin(...given)
  }) as typeof begin // An overloaded function, passed on as it was called.
}

/** The connection is gone, or goes in this moment. All others leave it as it is. */
const LOST = /^(CONNECTION_CLOSED|E(CONNRESET|PIPE|TIMEDOUT|HOSTUNREACH))$/

/**
 * The driver sends `rollback` after a lost connection, too, and the process ends of that (porsager/postgres#1154, #1208).
 * There is nothing to take back: so what lost its connection does not answer any more, and `begin` rejects by the loss itself,
 * of which the driver tells it.
 */
export function leaveLostTransactions(client: postgres.Sql): void {
  const { begin } = client
  const unlessLost = (error: unknown) => {
    const cause = error instanceof Error && error.cause ? error.cause : error
    const isLost = cause instanceof Error && 'code' in cause && LOST.test(String(cause.code))
    return isLost ? new Promise<never>(() => {}) : Promise.reject(error)
  }
  client.begin = ((...given: unknown[]) => {
    const work = given.pop() as (transaction: unknown) => Promise<unknown>
    return begin(
      ...(given as [string]),
      async (transaction) => await work(transaction).catch(unlessLost),
    )
  }) as typeof begin // An overloaded function: a mode may come before the work.
}
