// Turns a row of `uploads`, as `to_jsonb` writes it, into an UploadSession.
import type { PartPlan } from '../core/part-plan.ts'
import type { Policy } from '../core/policy.ts'
import type { ProcessingTask } from '../core/processing.ts'
import type {
  AttemptDeclaration,
  CompletedObject,
  CredentialKind,
  UploadMethod,
  UploadSession,
  UploadState,
} from '../core/upload-session.ts'

export interface UploadRow {
  app_id: string
  upload_id: string
  subject: string
  credential: CredentialKind
  grant_id: string | null
  issuer_id: string | null
  issuer_subject: string | null
  policy_name: string
  policy: Policy
  state: UploadState
  method: UploadMethod
  store: string
  object_key: string
  filename: string
  content_type: string
  size_bytes: number | null
  part_size_bytes: number
  part_count: number | null
  max_part_count: number | null
  reserved_bytes: number
  fingerprint: string | null
  checksum: string | null
  attempt_declared: AttemptDeclaration | null
  metadata: Record<string, string> | null
  processing: ProcessingTask[] | null
  storage_upload_id: string | null
  generation: number
  created_at: string
  active_at: string
  expires_at: string
  lease_until: string | null
  attempt: number
  attempt_at: string | null
  prior_attempt_at: string | null
  missing_since: string | null
  direct: boolean
  checked_checksums: string[] | null
  leftovers_at: string | null
  ended_at: string | null
  storage_released_at: string | null
  object: CompletedObject | null
  failure: string | null
  revision: number
}

const date = (text: string | null): Date | undefined => (text === null ? undefined : new Date(text))

function planOf(row: UploadRow): PartPlan {
  const partSizeBytes = row.part_size_bytes
  if (row.size_bytes === null || row.part_count === null) {
    return {
      sizeBytes: null,
      partSizeBytes,
      partCount: null,
      maxPartCount: row.max_part_count ?? 0,
    }
  }
  return { sizeBytes: row.size_bytes, partSizeBytes, partCount: row.part_count }
}

export const toSession = (row: UploadRow): UploadSession => ({
  appId: row.app_id,
  id: row.upload_id,
  subject: row.subject,
  credential: row.credential,
  grantId: row.grant_id ?? undefined,
  issuerId: row.issuer_id ?? undefined,
  issuerSubject: row.issuer_subject ?? undefined,
  policyName: row.policy_name,
  policy: row.policy,
  state: row.state,
  method: row.method,
  store: row.store,
  key: row.object_key,
  filename: row.filename,
  contentType: row.content_type,
  plan: planOf(row),
  reservedBytes: row.reserved_bytes,
  fingerprint: row.fingerprint ?? undefined,
  checksum: row.checksum ?? undefined,
  attemptDeclared: row.attempt_declared ?? undefined,
  metadata: row.metadata ?? undefined,
  processing: row.processing ?? undefined,
  storageUploadId: row.storage_upload_id ?? undefined,
  generation: row.generation,
  createdAt: new Date(row.created_at),
  activeAt: new Date(row.active_at),
  expiresAt: new Date(row.expires_at),
  leaseUntil: date(row.lease_until),
  attempt: row.attempt,
  attemptAt: date(row.attempt_at),
  priorAttemptAt: date(row.prior_attempt_at),
  missingSince: date(row.missing_since),
  direct: row.direct,
  checkedChecksums: row.checked_checksums ?? undefined,
  leftoversAt: date(row.leftovers_at),
  endedAt: date(row.ended_at),
  storageReleasedAt: date(row.storage_released_at),
  object: row.object ?? undefined,
  failure: row.failure ?? undefined,
  revision: row.revision,
})
