// Applies the migrations. Node only. It runs under a lock, because several processes may start at once.
import { fileURLToPath } from 'node:url'
import { drizzle } from 'drizzle-orm/postgres-js'
import { migrate as applyMigrations } from 'drizzle-orm/postgres-js/migrator'
import postgres from 'postgres'
import { driverUrl } from './connect.ts'

const MIGRATIONS = fileURLToPath(new URL('../../migrations', import.meta.url))
const LOCK = 0x636f756e // "coun"; drizzle's migrator takes no lock of its own.

/** Overrides limits of the role or the database: a migration, and the wait for another process's, may take long. */
const WITHOUT_LIMITS = {
  application_name: 'countersign-migrate',
  statement_timeout: 0,
  lock_timeout: 0,
  idle_in_transaction_session_timeout: 0,
}

/** Applies the missing migrations in order, forward only. `warn` receives the WARNINGs that a migration raises for the operator. */
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
