// The one way to the database: drizzle over the postgres driver. On Workers one connection a request, on Node one pool.
import { drizzle, type PostgresJsDatabase } from 'drizzle-orm/postgres-js'
import postgres from 'postgres'
import { closeHoles, countTransactions, leaveLostTransactions } from './driver.ts'
import { boundWaiting } from './turns.ts'

export type Database = PostgresJsDatabase

export interface ConnectOptions {
  /** More than so many are never open; what comes meanwhile waits for one. */
  maxConnections: number
  /** So long a statement or transaction waits for one of them; without, until one is free. */
  waitMs?: number
  /** A statement is ended after this long, and after half of it where it waits for a lock. */
  statementMs?: number
  /** workerd: the driver's own socket leaves an unhandled rejection at its end (porsager/postgres#1196). */
  socket?: (options: { host: string[]; port: number[] }) => Promise<unknown>
  /** Called for each statement that is sent, the beginning and the end of a transaction included. */
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

/**
 * Managed databases add `channel_binding=…` to their URLs. That is for libpq; the driver would hand it on to the server, which
 * refuses a parameter that it does not know.
 */
export const driverUrl = (url: string): string =>
  url.replace(/([?&])channel_binding=[^&]*(&|$)/, (_, before, after) => (after ? before : ''))

export function connect(
  url: string,
  { maxConnections, waitMs, statementMs = STATEMENT_MS, socket, onStatement }: ConnectOptions,
) {
  const client = postgres(driverUrl(url), {
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
  if (waitMs) boundWaiting(client, maxConnections, waitMs)
  if (onStatement) countTransactions(client, onStatement)
  return {
    database: drizzle(client, {
      logger: onStatement && { logQuery: onStatement },
    }) as Database,
    close: () => client.end({ timeout: 5 }),
  }
}
