// The table behind `/readyz`: it counts writes, so that a read can be seen to come after one (db/readiness.ts).
import { bigint, pgTable, text } from 'drizzle-orm/pg-core'

/** A single row, of no tenant. */
export const readiness = pgTable('readiness', {
  appId: text('app_id').primaryKey(),
  writes: bigint('writes', { mode: 'bigint' }).notNull(),
})
