// Adjusts the driver (postgres 3.4.9): prepares statements, and works around faults. A workaround does nothing once its fault is fixed.
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

/** Far more than the service has. A text beyond them varies without bound, so each connection would keep it for ever. */
const MAX_PREPARED = 500

/**
 * Prepares each statement once on each connection. drizzle asks the driver not to, and then each statement costs a second round
 * trip and a plan. After a migration has changed a result, PostgreSQL refuses the old plan and the driver prepares it again.
 */
export function prepareStatements(client: postgres.Sql): void {
  const { unsafe } = client
  const texts = new Set<string>()
  client.unsafe = ((text: string, args: never[], options?: postgres.UnsafeQueryOptions) => {
    if (texts.size < MAX_PREPARED) texts.add(text)
    return unsafe(text, args, { ...options, prepare: texts.has(text) })
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
