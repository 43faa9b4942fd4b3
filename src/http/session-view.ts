// What an answer shows of a session: never the storage upload id, the store's name or another credential's business.
import type { UploadSession } from '../core/upload-session.ts'

export const sessionView = (session: UploadSession) => ({
  id: session.id,
  state: session.state,
  method: session.method,
  key: session.key,
  filename: session.filename,
  contentType: session.contentType,
  subject: session.subject,
  policy: session.policyName,
  plan: session.plan,
  fingerprint: session.fingerprint,
  checksum: session.checksum,
  metadata: session.metadata,
  object: session.object,
  failure: session.failure,
  createdAt: session.createdAt.toISOString(),
  expiresAt: session.expiresAt.toISOString(),
  endedAt: session.endedAt?.toISOString(),
})
