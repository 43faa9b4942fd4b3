// The one way to the database: drizzle over the postgres driver. On Workers one connection a request, on Node one pool.
import { drizzle, type PostgresJsDatabase } from 'drizzle-orm/postgres-js'
import postgres from 'postgres'

export type Database = PostgresJsDatabase

export interface ConnectOptions {
  /** More than so many are never open; what comes meanwhile waits for one. */
  maxConnections: number
  /** A statement is ended after this long, and after half of it where it waits for a lock. */
  statementMs?: number
  /** workerd: the driver's own socket leaves an unhandled rejection at its end (porsager/postgres#1196). */
  socket?: (options: { host: string[]; port: number[] }) => Promise<unknown>
  /** Called for each statement that is sent. */
  onStatement?: () => void
}

const STATEMENT_MS = 20_000

/** Parameters of the connection, so that no request sends a SET. Migrations have a connection of their own, without. */
const limits = (statementMs: number) => ({
  application_name: 'countersign',
  statement_timeout: statementMs,
  lock_timeout: Math.ceil(statementMs / 2),
  idle_in_transaction_session_timeout: statementMs,
})

export function connect(
  url: string,
  { maxConnections, statementMs = STATEMENT_MS, socket, onStatement }: ConnectOptions,
) {
  const client = postgres(url, {
    max: maxConnections,
    idle_timeout: 60,
    connect_timeout: 10,
    onnotice: () => {},
    // The driver asks each new connection for its array types, and a connection that is lost meanwhile is a rejection
    // which nobody can handle: it ends the process. Our statements pass and read lists as JSON instead.
    fetch_types: false,
    ...(socket ? { socket, max_lifetime: null } : { connection: limits(statementMs) }),
  } as postgres.Options<Record<string, never>>) // `socket` is an option that the driver's types leave out.
  closeHoles(client)
  leaveLostTransactions(client)
  return {
    database: drizzle(client, {
      logger: onStatement && { logQuery: onStatement },
    }) as Database,
    close: () => client.end({ timeout: 5 }),
  }
}

/**
 * The driver counts rows on where an answer broke off behind some of them: the next result of that connection begins with as
 * many holes (porsager/postgres#1119, #1181). Who reads its first row would take a change that was made for a refused one. In
 * a transaction `begin` comes first, and has no rows.
 */
function closeHoles(client: postgres.Sql): void {
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

/** The connection is gone, or goes in this moment. All others leave it as it is. */
const LOST = /^(CONNECTION_CLOSED|E(CONNRESET|PIPE|TIMEDOUT|HOSTUNREACH))$/

/**
 * The driver sends `rollback` after a lost connection, too, and the process ends of that (porsager/postgres#1154, #1208).
 * There is nothing to take back: so what lost its connection does not answer any more, and `begin` rejects by the loss itself,
 * of which the driver tells it.
 */
function leaveLostTransactions(client: postgres.Sql): void {
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
