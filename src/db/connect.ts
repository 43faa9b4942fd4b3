// The one way to the database: drizzle over the postgres driver. On Workers one connection a request, on Node one pool.
import { drizzle, type PostgresJsDatabase } from 'drizzle-orm/postgres-js'
import postgres from 'postgres'

export type Database = PostgresJsDatabase

export interface ConnectOptions {
  maxConnections: number
  /** workerd: the driver's own socket leaves an unhandled rejection at its end (porsager/postgres#1196). */
  socket?: (options: { host: string[]; port: number[] }) => Promise<unknown>
  /** Called for each statement that is sent. */
  onStatement?: () => void
}

const STATEMENT_TIMEOUT_MS = 20_000

export function connect(url: string, { maxConnections, socket, onStatement }: ConnectOptions) {
  const client = postgres(url, {
    max: maxConnections,
    idle_timeout: 60,
    connect_timeout: 10,
    onnotice: () => {},
    ...(socket
      ? { socket, max_lifetime: null }
      : {
          connection: { statement_timeout: STATEMENT_TIMEOUT_MS, application_name: 'countersign' },
        }),
  } as postgres.Options<Record<string, never>>) // `socket` is an option that the driver's types leave out.
  return {
    database: drizzle(client, {
      logger: onStatement && { logQuery: onStatement },
    }) as Database,
    close: () => client.end({ timeout: 5 }),
  }
}
