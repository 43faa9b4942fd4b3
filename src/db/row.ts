// Reads the rows of our own statements with the names and types of the tables.
import { getTableColumns, type InferSelectModel } from 'drizzle-orm'
import type { PgTable } from 'drizzle-orm/pg-core'

/** A row as the driver returns it, or as `to_jsonb` writes it: by column name, with times as text. */
export type Row = Record<string, unknown>

type WithoutNulls<Source> = {
  [Name in keyof Source]: null extends Source[Name]
    ? NonNullable<Source[Name]> | undefined
    : Source[Name]
}

export const withoutNulls = <Source extends object>(row: Source) =>
  Object.fromEntries(
    Object.entries(row).map(([name, value]) => [name, value ?? undefined]),
  ) as WithoutNulls<Source>

/** Parses the times. A null becomes undefined. */
export function readRow<Table extends PgTable>(table: Table, row: Row) {
  const read = Object.entries(getTableColumns(table)).map(([name, { name: column, dataType }]) => {
    const value = row[column] ?? undefined
    return [name, value !== undefined && dataType === 'date' ? new Date(String(value)) : value]
  })
  return Object.fromEntries(read) as WithoutNulls<InferSelectModel<Table>>
}
