// Turns a decision into the row that reserves an upload, reserves it, and opens it or gives it up.
import { uploadEvent } from '../core/event.ts'
import { DEFAULT_KEY_TEMPLATE, renderKey, subjectSegment } from '../core/object-key.ts'
import { largestSize, POLICY_DEFAULTS } from '../core/policy.ts'
import type { Services } from '../core/ports/services.ts'
import type { IdempotentRequest, NewUpload, Reservation } from '../core/ports/uploads.ts'
import { Problem } from '../core/problem.ts'
import { planProcessing } from '../core/processing.ts'
import { grantOf, grantRevoked } from '../core/reach.ts'
import type { UploadSession } from '../core/upload-session.ts'
import type { Decision } from './decide.ts'
import { endSession } from './ending/end.ts'
import { releaseStorage } from './ending/release.ts'

/** A request that died while initiating is taken over after this long. */
export const LEASE_MS = 30_000

export async function newUpload(
  { newId, clock }: Pick<Services, 'newId' | 'clock'>,
  decision: Decision,
  idempotent?: IdempotentRequest,
): Promise<NewUpload> {
  const { principal, input, subject, app, policy, policyName, plan, store, contentType, method } =
    decision
  const now = clock()
  const id = newId('upl')
  const values = {
    subjectSegment: await subjectSegment(subject),
    uploadId: id,
    filename: input.filename,
    createdAt: now,
  }
  const appPrefix = app.keyPrefix
  const key = renderKey(appPrefix, policy.keyTemplate ?? DEFAULT_KEY_TEMPLATE, values)
  const lifetimeSeconds = Math.min(
    policy.maxSeconds ?? POLICY_DEFAULTS.maxSeconds,
    store.cleanupSeconds,
  )
  return {
    appId: app.id,
    id,
    subject,
    credential: principal.kind,
    grantId: grantOf(principal),
    ...(principal.kind === 'jwt'
      ? { issuerId: principal.issuerId, issuerSubject: principal.issuerSubject }
      : {}),
    policyName,
    policy,
    method,
    store: store.name,
    key,
    filename: input.filename,
    contentType,
    plan,
    reservedBytes:
      plan.sizeBytes ??
      Math.min(largestSize(policy, store.limits), plan.maxPartCount * plan.partSizeBytes),
    fingerprint: input.fingerprint,
    checksum: input.checksum,
    metadata: input.metadata,
    processing:
      policy.processing &&
      planProcessing(policy.processing, { appPrefix, key, contentType, values }),
    generation: 1,
    createdAt: now,
    activeAt: now,
    expiresAt: new Date(now.getTime() + 1000 * lifetimeSeconds),
    leaseUntil: new Date(now.getTime() + LEASE_MS),
    idempotent,
    quota: policy.quota ?? {},
  }
}

/** Throws `quota-exceeded`, `grant-exhausted` and `grant-revoked`. */
export async function reserve(
  { uploads, apps, clock }: Pick<Services, 'uploads' | 'apps' | 'clock'>,
  upload: NewUpload,
): Promise<Reservation> {
  try {
    return await uploads.reserve(upload, clock())
  } catch (error) {
    const exhausted = error instanceof Problem && error.code === 'grant-exhausted'
    if (exhausted && upload.grantId && (await apps.grantIsRevoked(upload.appId, upload.grantId))) {
      throw grantRevoked()
    }
    throw error
  }
}

/** Opens a reserved session. Returns undefined if it is no longer reserved. */
export async function openSession(
  { uploads, clock, newId, nudgeDeliveries }: Services,
  reserved: UploadSession,
  storageUploadId?: string,
): Promise<UploadSession | undefined> {
  const now = clock()
  const event = uploadEvent('upload.created', newId('evt'), now, { ...reserved, state: 'open' })
  const opened = await uploads.open(reserved, storageUploadId, event, now)
  if (opened) nudgeDeliveries()
  return opened
}

/** Ends a reservation that the store or the issuer of credentials refused. Nothing was begun at the store. */
export async function failReservation(
  services: Services,
  session: UploadSession,
  { code: failure }: Problem,
): Promise<void> {
  const failed = await endSession(services, session, 'failed', {
    failure,
    from: ['initiating'],
    nothingBegun: true,
  })
  if (failed) await releaseStorage(services, failed)
}
