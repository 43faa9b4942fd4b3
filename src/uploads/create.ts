// Authorises, plans, reserves and begins one upload. A repeat with the same Idempotency-Key, and a resume, find the first.
import { digestHex } from '../bytes/encoding.ts'
import { uploadEvent } from '../core/event.ts'
import { DEFAULT_KEY_TEMPLATE, renderKey, subjectSegment } from '../core/object-key.ts'
import { largestSize, POLICY_DEFAULTS } from '../core/policy.ts'
import type { App } from '../core/ports/apps.ts'
import type { Services } from '../core/ports/services.ts'
import { ignoreStoreFailure, isStoreFailure } from '../core/ports/store-failure.ts'
import type { IdempotentRequest, NewUpload } from '../core/ports/uploads.ts'
import type { Principal } from '../core/principal.ts'
import { Problem } from '../core/problem.ts'
import { planProcessing } from '../core/processing.ts'
import { grantOf, grantReach, grantRevoked, noSuchUpload, reaches } from '../core/reach.ts'
import {
  hasEnded,
  objectSpec,
  type UploadMethod,
  type UploadSession,
} from '../core/upload-session.ts'
import {
  type CreateInput,
  checkUnexpired,
  DEFAULT_CONTENT_TYPE,
  type Decision,
  decide,
  methodFor,
  subjectOf,
} from './decide.ts'
import { endSession } from './ending/end.ts'
import { abortOrphans, abortUntilGone, releaseStorage } from './ending/release.ts'
import { refusal } from './problems.ts'

/** A request that died while initiating is taken over after this long. */
const LEASE_MS = 30_000
const WAIT_MS = 5_000
const POLL_MS = 100

export type CreateServices = Pick<
  Services,
  | 'apps'
  | 'uploads'
  | 'clock'
  | 'newId'
  | 'nudgeDeliveries'
  | 'storeNamed'
  | 'budget'
  | 'hasStore'
  | 'delay'
  | 'log'
>

export interface Created {
  kind: 'created' | 'repeated' | 'resumed'
  session: UploadSession
  app: App
}

export async function newUpload(
  { newId, clock }: CreateServices,
  principal: Principal,
  input: CreateInput,
  decision: Decision,
  { idempotent, method }: { idempotent?: IdempotentRequest; method?: UploadMethod } = {},
): Promise<NewUpload> {
  const { app, policy, policyName, plan, store } = decision
  const now = clock()
  const id = newId('upl')
  const subject = subjectOf(principal, input)
  const values = {
    subjectSegment: await subjectSegment(subject),
    uploadId: id,
    filename: input.filename,
    createdAt: now,
  }
  const key = renderKey(app.keyPrefix, policy.keyTemplate ?? DEFAULT_KEY_TEMPLATE, values)
  const contentType = input.contentType ?? DEFAULT_CONTENT_TYPE
  const appPrefix = app.keyPrefix
  const lifetime =
    1000 * Math.min(policy.maxSeconds ?? POLICY_DEFAULTS.maxSeconds, store.cleanupSeconds)
  return {
    appId: app.id,
    id,
    subject,
    credential: principal.kind,
    grantId: principal.kind === 'grant' ? principal.grant.grant : undefined,
    ...(principal.kind === 'jwt'
      ? { issuerId: principal.issuerId, issuerSubject: principal.issuerSubject }
      : {}),
    policyName,
    policy,
    method: method ?? methodFor(policy, plan, store),
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
    processing: policy.processing
      ? planProcessing(policy.processing, { appPrefix, key, contentType, values })
      : undefined,
    generation: 1,
    createdAt: now,
    activeAt: now,
    expiresAt: new Date(now.getTime() + lifetime),
    leaseUntil: new Date(now.getTime() + LEASE_MS),
    idempotent,
    quota: policy.quota ?? {},
  }
}

/** The owner's unfinished session for the same file under the same policy, newest first. */
async function findResumable(
  { uploads, clock }: CreateServices,
  principal: Principal,
  input: CreateInput,
  { app, policyName, plan }: Decision,
): Promise<UploadSession | undefined> {
  if (!input.resume || input.fingerprint === undefined) return undefined
  const candidates = await uploads.list(app.id, {
    subject: subjectOf(principal, input),
    fingerprint: input.fingerprint,
    reach: principal.kind === 'grant' ? grantReach(principal, clock()) : undefined,
    limit: 20,
  })
  const found = candidates.find(
    (session) =>
      session.state !== 'initiating' &&
      session.expiresAt > clock() &&
      session.method !== 'credentials' &&
      (session.method === 'form') === (input.method === 'form') &&
      session.policyName === policyName &&
      session.plan.sizeBytes === plan.sizeBytes &&
      session.contentType === (input.contentType ?? DEFAULT_CONTENT_TYPE) &&
      session.checksum === input.checksum,
  )
  if (!found) return undefined
  // Its client is back: the sweep must not take it for idle now. Where it has just ended, a new one is made.
  const session = await uploads.touch(app.id, found.id, clock())
  return session && !hasEnded(session.state) ? session : undefined
}

/** What was asked, and what was decided by whose credential: another grant's request is another, whatever its body. */
const hashOf = (principal: Principal, input: CreateInput, { policyName }: Decision) =>
  digestHex(JSON.stringify([input, policyName, grantOf(principal)]))

export async function createUpload(
  services: CreateServices,
  principal: Principal,
  input: CreateInput,
  idempotencyKey?: string,
): Promise<Created> {
  checkUnexpired(principal)
  subjectOf(principal, input)
  const decision = await decide(services, principal, input)
  const { app } = decision
  const requestHash = await hashOf(principal, input, decision)
  const subject = subjectOf(principal, input)
  const idempotent =
    idempotencyKey === undefined
      ? undefined
      : { appId: app.id, subject, credential: principal.kind, key: idempotencyKey, requestHash }
  const resumable = await findResumable(services, principal, input, decision)
  // A repeat is answered with what the first was answered with, whatever can be resumed by now.
  if (
    resumable &&
    (!idempotent || (await services.uploads.storeKey(idempotent, resumable.id, services.clock())))
  ) {
    return { kind: 'resumed', session: resumable, app }
  }
  const upload = await newUpload(services, principal, input, decision, {
    idempotent,
    method: input.method,
  })
  const reservation = await reserve(services, upload)
  if (reservation.kind === 'reserved') {
    return { kind: 'created', session: await begin(services, reservation.session), app }
  }
  if (reservation.requestHash !== requestHash) {
    throw new Problem('idempotency-key-reused', {
      detail: 'This Idempotency-Key was used with another body. Use a new key for a new upload.',
    })
  }
  // Of a resume it stands for a session that the grant need not reach any more.
  if (!reaches(principal, reservation.session, services.clock())) throw noSuchUpload()
  return { kind: 'repeated', session: await awaitFirst(services, reservation.session), app }
}

export async function reserve({ uploads, apps, clock }: CreateServices, upload: NewUpload) {
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

/** Begins the storage upload and opens the session, unless the session is no longer waiting for it. */
async function begin(services: CreateServices, session: UploadSession): Promise<UploadSession> {
  const { uploads, clock, newId, nudgeDeliveries, storeNamed } = services
  const store = storeNamed(session.store)
  const parts = session.method === 'multipart' && session.plan.sizeBytes !== 0
  let storageUploadId: string | undefined
  try {
    storageUploadId = parts ? await store.initiate(objectSpec(session)) : undefined
  } catch (failure) {
    if (!isStoreFailure(failure)) throw failure
    const problem = refusal(failure)
    if (failure.kind === 'refused') await failReservation(services, session, problem)
    else await uploads.releaseReservation(session, clock())
    throw problem
  }
  const now = clock()
  const event = uploadEvent('upload.created', newId('evt'), now, { ...session, state: 'open' })
  const opened = await uploads.open(session, storageUploadId, event, now)
  if (opened) {
    nudgeDeliveries()
    return opened
  }
  // It is abandoned by its key, too: where this abort does not arrive, the sweep finds it.
  if (storageUploadId) {
    await abortUntilGone(services, session.store, { key: session.key, storageUploadId }).catch(
      ignoreStoreFailure,
    )
  }
  const current = await uploads.find(session.appId, session.id)
  // A repeat took over.
  if (current?.state === 'initiating') return awaitFirst(services, current)
  if (current && !hasEnded(current.state)) return current
  throw new Problem('upload-not-open', {
    detail: 'The upload was ended while it was being created. Create a new one.',
  })
}

export async function failReservation(
  services: CreateServices,
  session: UploadSession,
  { code: failure }: Problem,
): Promise<void> {
  const failed = await endSession(services, session, 'failed', {
    failure,
    from: ['initiating'],
    nothingBegun: true,
  })
  if (!failed) return
  await releaseStorage(services, failed)
}

/** A repeat waits for the first request, and takes its place where that one is gone. */
async function awaitFirst(services: CreateServices, first: UploadSession): Promise<UploadSession> {
  const { uploads, clock, delay } = services
  let session = first
  for (let waited = 0; session.state === 'initiating'; waited += POLL_MS) {
    const now = clock()
    const lease = new Date(now.getTime() + LEASE_MS)
    const taken = await uploads.takeOver(session.appId, session.id, now, lease)
    if (taken) {
      await abortOrphans(services, taken).catch((failure: unknown) => {
        throw isStoreFailure(failure) ? refusal(failure) : failure
      })
      return begin(services, taken)
    }
    if (waited >= WAIT_MS) {
      throw new Problem('idempotency-conflict', {
        detail: 'The first request with this Idempotency-Key is still running. Repeat it later.',
        retryAfterSeconds: 2,
      })
    }
    await delay(POLL_MS)
    session = (await uploads.find(session.appId, session.id)) ?? session
  }
  return session
}
