// Connects to the database: drizzle over the postgres driver. Workers open one connection for each request, Node one pool.
import { drizzle, type PostgresJsDatabase } from 'drizzle-orm/postgres-js'
import postgres from 'postgres'
import {
  closeHoles,
  countTransactions,
  leaveLostTransactions,
  prepareStatements,
} from './driver.ts'
import { boundWaiting } from './turns.ts'

export type Database = PostgresJsDatabase

export interface ConnectOptions {
  /** The most that are open at once. Further statements wait for one. */
  maxConnections: number
  /** How long a statement or transaction waits for a connection; by default, until one is free. */
  waitMs?: number
  /** A statement is cancelled after this long, and after half of it if it waits for a lock. */
  statementMs?: number
  /** False behind a pooler that gives each transaction another connection and knows no prepared statements. */
  prepare?: boolean
  /** For workerd, because the driver's own socket ends in an unhandled rejection there (porsager/postgres#1196). */
  socket?: (options: { host: string[]; port: number[] }) => Promise<unknown>
  /** Called for each statement that is sent, `begin` and `commit` included. */
  onStatement?: () => void
}

const STATEMENT_MS = 20_000

/** Set when the connection opens, so that no request sends a SET. Migrations use a connection without them. */
const limits = (statementMs: number) => ({
  application_name: 'countersign',
  statement_timeout: statementMs,
  lock_timeout: Math.ceil(statementMs / 2),
  idle_in_transaction_session_timeout: statementMs,
})

/**
 * Removes `channel_binding=…`, which managed databases add to their URLs for libpq. The driver would pass it on to the server,
 * which refuses unknown parameters.
 */
export const driverUrl = (url: string): string =>
  url.replace(/([?&])channel_binding=[^&]*(&|$)/, (_, before, after) => (after ? before : ''))

export function connect(
  url: string,
  {
    maxConnections,
    waitMs,
    statementMs = STATEMENT_MS,
    prepare = true,
    socket,
    onStatement,
  }: ConnectOptions,
) {
  const client = postgres(driverUrl(url), {
    max: maxConnections,
    idle_timeout: 60,
    connect_timeout: 10,
    onnotice: () => {},
    // Each new connection would ask for its array types. If it is lost meanwhile, nobody can handle the rejection, which ends
    // the process. Our statements pass and read lists as JSON instead.
    fetch_types: false,
    ...(socket ? { socket, max_lifetime: null } : { connection: limits(statementMs) }),
  } as postgres.Options<Record<string, never>>) // `socket` is an option that the driver's types leave out.
  if (prepare) prepareStatements(client)
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
