// Presents what the flows of a session return. Never the storage upload id, the store's name or another credential's business.
import type { UploadSession } from '../core/upload-session.ts'
import type { Created } from '../uploads/create.ts'
import type { Handout } from '../uploads/hand-out.ts'
import type { UploadStatus } from '../uploads/status.ts'

export const presentSession = (session: UploadSession) => ({
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

/** Replaces the end of something signed by its text. */
export const presentSigned = <Signed extends { expiresAt: Date }>(signed: Signed) => ({
  ...signed,
  expiresAt: signed.expiresAt.toISOString(),
})

const presentHandout = ({ form, tokens }: Handout, now: Date) => ({
  form: form && presentSigned(form),
  ...tokens,
  serverTime: now.toISOString(),
})

export function presentCreated(created: Created, now: Date) {
  const { session, signed, status } = created
  return {
    ...presentSession(session),
    parts: signed?.parts ?? [],
    partsExpireAt: signed?.expiresAt.toISOString(),
    ...presentHandout(created, now),
    ...(status && {
      storedParts: status.storedParts,
      missing: status.missing,
      healed: status.healed || undefined,
    }),
  }
}

export const presentStatus = (
  { session, storedParts, missing, parts, nextPart, healed }: UploadStatus,
  handout: Handout,
  now: Date,
) => ({
  ...presentSession(session),
  storedParts,
  missing,
  parts: parts?.map(({ partNumber, sizeBytes, etag, checksums }) => ({
    partNumber,
    sizeBytes,
    etag,
    crc64: checksums.crc64,
  })),
  nextCursor: nextPart?.toString(),
  healed: healed || undefined,
  ...presentHandout(handout, now),
})
