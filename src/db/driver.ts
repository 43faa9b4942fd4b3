// Works around faults of the driver (postgres 3.4.9). Each workaround does nothing once the driver is fixed.
import type postgres from 'postgres'

/**
 * If an answer breaks off after some rows, the next result of that connection begins with as many holes
 * (porsager/postgres#1119, #1181). Reading its first row would then mistake a successful change for a refused one. In a
 * transaction, `begin` comes first and has no rows.
 */
export function closeHoles(client: postgres.Sql): void {
  const { unsafe } = client
  client.unsafe = ((...args: Parameters<typeof unsafe>) => {
    const query = unsafe(...args)
    // The driver calls `resolve` with the result; its types leave it out.
    const pending = query as unknown as { resolve(rows: unknown[]): void }
    const { resolve } = pending
    pending.resolve = (rows) => {
      while (rows.length > 0 && !(0 in rows)) rows.shift()
      resolve(rows)
    }
    return query
  }) as typeof unsafe // A generic function, passed on as it was called.
}

/** The driver sends `begin` and `commit` itself, so drizzle does not log them. */
export function countTransactions(client: postgres.Sql, onStatement: () => void): void {
  const { begin } = client
  client.begin = ((...args: Parameters<typeof begin>) => {
    onStatement()
    onStatement()
    return begin(...args)
  }) as typeof begin // An overloaded function, passed on as it was called.
}

/** Codes of a lost connection. */
const LOST = /^(CONNECTION_CLOSED|E(CONNRESET|PIPE|TIMEDOUT|HOSTUNREACH))$/

/**
 * The driver sends `rollback` even after the connection is lost, which ends the process (porsager/postgres#1154, #1208). So the
 * work of a lost transaction never settles: there is nothing to roll back, and the driver rejects `begin` by itself.
 */
export function leaveLostTransactions(client: postgres.Sql): void {
  const { begin } = client
  const unlessLost = (error: unknown) => {
    const cause = error instanceof Error && error.cause ? error.cause : error
    const isLost = cause instanceof Error && 'code' in cause && LOST.test(String(cause.code))
    return isLost ? new Promise<never>(() => {}) : Promise.reject(error)
  }
  client.begin = ((...args: unknown[]) => {
    const work = args.pop() as (transaction: unknown) => Promise<unknown>
    return begin(
      ...(args as [string]),
      async (transaction) => await work(transaction).catch(unlessLost),
    )
  }) as typeof begin // An overloaded function: a mode may come before the work.
}
