// The tenant, and the columns that the other tables share.
import { bigint, index, jsonb, pgTable, text, timestamp } from 'drizzle-orm/pg-core'

export const at = (name: string) => timestamp(name, { withTimezone: true, precision: 3 })
export const bytes = (name: string) => bigint(name, { mode: 'number' })

export const apps = pgTable(
  'apps',
  {
    appId: text('app_id').primaryKey(),
    name: text('name').notNull(),
    keyPrefix: text('key_prefix').notNull(),
    allowedOrigins: jsonb('allowed_origins').$type<string[]>().notNull(),
    createdAt: at('created_at').notNull(),
  },
  // The app of a key that a store's notification names.
  (table) => [index('apps_by_key_prefix').on(table.keyPrefix)],
)

export const appId = () =>
  text('app_id')
    .notNull()
    .references(() => apps.appId)
