// Turns a row of `uploads`, as `to_jsonb` writes it, into an UploadSession.
import type { PartPlan } from '../core/part-plan.ts'
import type { UploadSession } from '../core/upload-session.ts'
import { type Row, readRow } from './row.ts'
import { uploads } from './schema.ts'

type Sizes = Pick<
  ReturnType<typeof readRow<typeof uploads>>,
  'sizeBytes' | 'partSizeBytes' | 'partCount' | 'maxPartCount'
>

function planOf({ sizeBytes, partSizeBytes, partCount, maxPartCount = 0 }: Sizes): PartPlan {
  return sizeBytes === undefined || partCount === undefined
    ? { sizeBytes: null, partSizeBytes, partCount: null, maxPartCount }
    : { sizeBytes, partSizeBytes, partCount }
}

export function toSession(row: Row): UploadSession {
  const { uploadId, objectKey, sizeBytes, partSizeBytes, partCount, maxPartCount, ...session } =
    readRow(uploads, row)
  const plan = planOf({ sizeBytes, partSizeBytes, partCount, maxPartCount })
  return { ...session, id: uploadId, key: objectKey, plan }
}
