// The table behind `/readyz`. It counts writes, which shows whether a read is fresh (db/readiness.ts).
import { bigint, pgTable, text } from 'drizzle-orm/pg-core'

/** A single row, of no tenant. */
export const readiness = pgTable('readiness', {
  appId: text('app_id').primaryKey(),
  writes: bigint('writes', { mode: 'bigint' }).notNull(),
})
