// Turns a row of `uploads`, as `to_jsonb` writes it, into an UploadSession.
import { getTableColumns } from 'drizzle-orm'
import type { UploadSession } from '../core/upload-session.ts'
import { uploads } from './schema.ts'

/** By the names of the columns. */
export type UploadRow = Record<string, unknown>

/** By the names of the schema. A null is undefined. */
type Fields = {
  [Name in keyof Columns]: null extends Columns[Name]
    ? NonNullable<Columns[Name]> | undefined
    : Columns[Name]
}
type Columns = typeof uploads.$inferSelect

const COLUMNS = Object.entries(getTableColumns(uploads))

function readFields(row: UploadRow): Fields {
  const fields = COLUMNS.map(([name, { name: column, dataType }]) => {
    const value = row[column] ?? undefined
    return [name, value && dataType === 'date' ? new Date(String(value)) : value]
  })
  return Object.fromEntries(fields) as Fields // The schema, which a test compares with the database, types the row.
}

export function toSession(row: UploadRow): UploadSession {
  const { uploadId, objectKey, sizeBytes, partSizeBytes, partCount, ...fields } = readFields(row)
  const { maxPartCount = 0, sweepAt: _, logHash: __, ...session } = fields
  const plan =
    sizeBytes === undefined || partCount === undefined
      ? { sizeBytes: null, partSizeBytes, partCount: null, maxPartCount }
      : { sizeBytes, partSizeBytes, partCount }
  return { ...session, id: uploadId, key: objectKey, plan }
}
