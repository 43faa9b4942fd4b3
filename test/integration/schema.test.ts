// src/db/schema.ts equals the result of the migrations, and each of its keys contains the tenant.
import { getTableConfig, type PgTable } from 'drizzle-orm/pg-core'
import postgres from 'postgres'
import { afterAll, beforeAll, expect, it } from 'vitest'
import * as schema from '../../src/db/schema.ts'
import { freshDatabase } from '../support/postgres.ts'

let fresh: Awaited<ReturnType<typeof freshDatabase>>
let sql: postgres.Sql
const tables = Object.values(schema).map((table) => getTableConfig(table as PgTable))

beforeAll(async () => {
  fresh = await freshDatabase()
  sql = postgres(fresh.url, { max: 1 })
})
afterAll(async () => {
  await sql.end()
  await fresh.drop()
})

it('declares the columns that the database has', async () => {
  for (const { name, columns } of tables) {
    const rows = await sql`
      select a.attname as name, format_type(a.atttypid, a.atttypmod) as type, a.attnotnull as required
      from pg_attribute a where a.attrelid = ${name}::regclass and a.attnum > 0 and not a.attisdropped
      order by a.attname`
    const declared = columns
      .map((column) => ({
        name: column.name,
        type: column.getSQLType().replace('timestamp (3)', 'timestamp(3)'),
        required: column.notNull || column.primary,
      }))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
    expect([name, rows.map((row) => ({ ...row }))]).toEqual([name, declared])
  }
})

it('has no table that the schema does not know', async () => {
  const rows = await sql`
    select relname from pg_class where relnamespace = 'public'::regnamespace
      and relkind in ('r', 'p') and not relispartition`
  expect(rows.map(({ relname }) => relname).sort()).toEqual(tables.map(({ name }) => name).sort())
})

it('has app_id in every table, partitions among them', async () => {
  const rows = await sql`
    select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'f', 'm')
      and not exists (select from pg_attribute where attrelid = pg_class.oid and attname = 'app_id')`
  expect(rows.map(({ relname }) => relname)).toEqual([])
})

it('has app_id in every primary key, unique index and foreign key', async () => {
  const keys = await sql`
    select conname as name, array(select attname::text from pg_attribute
      where attrelid = conrelid and attnum = any(conkey)) as columns
    from pg_constraint where connamespace = 'public'::regnamespace and contype in ('p', 'u', 'f')
    union all
    select indexrelid::regclass::text, array(select attname::text from pg_attribute
      where attrelid = indrelid and attnum = any(indkey::int2[]))
    from pg_index join pg_class on pg_class.oid = indrelid
    where indisunique and relnamespace = 'public'::regnamespace`
  expect(keys.length).toBeGreaterThan(20)
  expect(keys.filter(({ columns }) => !columns.includes('app_id'))).toEqual([])
})
