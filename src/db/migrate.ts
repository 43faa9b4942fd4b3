// Brings a database to the newest migration. Node only; several processes may start at once, so it runs under a lock.
import { fileURLToPath } from 'node:url'
import { drizzle } from 'drizzle-orm/postgres-js'
import { migrate as applyMigrations } from 'drizzle-orm/postgres-js/migrator'
import postgres from 'postgres'
import { driverUrl } from './connect.ts'

const MIGRATIONS = fileURLToPath(new URL('../../migrations', import.meta.url))
const LOCK = 0x636f756e // "coun"; drizzle's migrator takes no lock of its own.

/** Whatever the role or the database sets: a migration takes as long as it needs, and so does the wait for another's. */
const WITHOUT_LIMITS = {
  application_name: 'countersign-migrate',
  statement_timeout: 0,
  lock_timeout: 0,
  idle_in_transaction_session_timeout: 0,
}

/**
 * Applies what is missing, in order, forward only. Safe to run from several processes at the same time. A migration that finds
 * something which the operator should know says it as a WARNING, once: `warn` is given its text.
 */
export async function migrate(url: string, warn?: (warning: string) => void): Promise<void> {
  const client = postgres(driverUrl(url), {
    max: 1,
    onnotice({ severity, message }) {
      if (severity === 'WARNING' && message) warn?.(message)
    },
    connection: WITHOUT_LIMITS,
  })
  try {
    await client`select pg_advisory_lock(${LOCK})`
    await applyMigrations(drizzle(client), { migrationsFolder: MIGRATIONS })
  } finally {
    await client.end()
  }
}
