// Creates an upload: decides, reserves, and begins it at the store. A repeat with the same Idempotency-Key finds the first one,
// and a resume finds the unfinished one of the same file.
import { digestHex } from '../bytes/encoding.ts'
import { lastPartNumber } from '../core/part-plan.ts'
import type { Services } from '../core/ports/services.ts'
import { ignoreStoreFailure, isStoreFailure } from '../core/ports/store-failure.ts'
import type { Principal } from '../core/principal.ts'
import { Problem } from '../core/problem.ts'
import { grantOf, noSuchUpload, reaches } from '../core/reach.ts'
import { hasEnded, objectSpec, type UploadSession } from '../core/upload-session.ts'
import { type CreateInput, type Decision, decide } from './decide.ts'
import { abortOrphans, abortUntilGone } from './ending/release.ts'
import { type Handout, handOut } from './hand-out.ts'
import { listUploads } from './list.ts'
import { failReservation, LEASE_MS, newUpload, openSession, reserve } from './new-upload.ts'
import { presignParts, type SignedParts } from './parts.ts'
import { refusal, throwRefusal } from './problems.ts'
import { type UploadStatus, uploadStatus } from './status.ts'

const WAIT_MS = 5_000
const POLL_MS = 100

/** Parts that come signed with a new session. Clients ask for more when they need them. */
const FIRST_WINDOW = 20

interface Found {
  kind: 'created' | 'repeated' | 'resumed'
  session: UploadSession
}

export interface Created extends Found, Handout {
  /** Of a session that was there before. */
  status?: UploadStatus
  /** The first missing parts, if any can be signed. */
  signed?: SignedParts
}

/** The numbers of the first window of missing parts. A plan of unknown size ends open. */
function firstNumbers(
  { plan, state, method }: UploadSession,
  missing: UploadStatus['missing'],
): number[] {
  if (state !== 'open' || method === 'form') return []
  const end = lastPartNumber(plan)
  const numbers: number[] = []
  for (const [from, to] of missing) {
    for (let number = from; number <= (to ?? end) && numbers.length < FIRST_WINDOW; number++) {
      numbers.push(number)
    }
  }
  return numbers
}

/** Creates an upload or finds it again, and hands out all that its client needs to send the file. */
export async function createUpload(
  services: Services,
  principal: Principal,
  input: CreateInput,
  idempotencyKey?: string,
): Promise<Created> {
  const decision = await decide(services, principal, input)
  const { kind, session: found } = await findOrCreate(services, decision, idempotencyKey)
  const status = kind === 'created' ? undefined : await uploadStatus(services, found)
  const { session, missing } = status ?? { session: found, missing: [[1, null]] }
  const handout = await handOut(services, principal, session, decision.app)
  const partNumbers = firstNumbers(session, missing)
  const signed = partNumbers.length
    ? presignParts(services, handout.claims, { partNumbers })
    : undefined
  return { kind, session, status, signed, ...handout }
}

/** The owner's unfinished session for the same file under the same policy, newest first. */
async function findResumable(
  services: Services,
  { app, principal, input, subject, policyName, plan, method, contentType }: Decision,
): Promise<UploadSession | undefined> {
  const { resume, fingerprint, checksum } = input
  if (!resume || fingerprint === undefined) return undefined
  const { uploads, clock } = services
  const candidates = await listUploads(services, principal, { subject, fingerprint, limit: 20 })
  const found = candidates.find(
    (session) =>
      session.state !== 'initiating' &&
      session.expiresAt > clock() &&
      session.method !== 'credentials' &&
      (session.method === 'form') === (method === 'form') &&
      session.policyName === policyName &&
      session.plan.sizeBytes === plan.sizeBytes &&
      session.contentType === contentType &&
      session.checksum === checksum,
  )
  if (!found) return undefined
  // Marks it active so that the sweep does not expire it. If it has just ended, the caller creates a new one.
  const session = await uploads.touch(app.id, found.id, clock())
  return session && !hasEnded(session.state) ? session : undefined
}

/** Covers the body, the policy and the grant: the same body from another grant is another request. */
const hashOf = ({ principal, input, policyName }: Decision) =>
  digestHex(JSON.stringify([input, policyName, grantOf(principal)]))

async function findOrCreate(
  services: Services,
  decision: Decision,
  key: string | undefined,
): Promise<Found> {
  const { uploads, clock } = services
  const { principal, subject, app } = decision
  const requestHash = await hashOf(decision)
  const idempotent =
    key === undefined
      ? undefined
      : { appId: app.id, subject, credential: principal.kind, key, requestHash }
  const resumable = await findResumable(services, decision)
  // A key that is in use already wins: its repeats get the first answer even if a session can be resumed by now.
  if (resumable && (!idempotent || (await uploads.storeKey(idempotent, resumable.id, clock())))) {
    return { kind: 'resumed', session: resumable }
  }
  const reservation = await reserve(services, await newUpload(services, decision, idempotent))
  if (reservation.kind === 'reserved') {
    return { kind: 'created', session: await begin(services, reservation.session) }
  }
  if (reservation.requestHash !== requestHash) {
    throw new Problem('idempotency-key-reused', {
      detail: 'This Idempotency-Key was used with another body. Use a new key for a new upload.',
    })
  }
  // The key of a resume may stand for a session that the grant no longer reaches.
  if (!reaches(principal, reservation.session, clock())) throw noSuchUpload()
  return { kind: 'repeated', session: await awaitFirst(services, reservation.session) }
}

/** Begins the storage upload and opens the session, unless another request or the sweep has moved the session on. */
async function begin(services: Services, session: UploadSession): Promise<UploadSession> {
  const { uploads, clock, storeNamed } = services
  const store = storeNamed(session.store)
  const parts = session.method === 'multipart' && session.plan.sizeBytes !== 0
  let storageUploadId: string | undefined
  try {
    storageUploadId = parts ? await store.initiate(objectSpec(session)) : undefined
  } catch (failure) {
    if (!isStoreFailure(failure)) throw failure
    const problem = refusal(failure)
    const definite = failure.kind !== 'ambiguous' && failure.kind !== 'no-upload'
    if (definite) await failReservation(services, session, problem)
    else await uploads.releaseReservation(session, clock())
    throw problem
  }
  const opened = await openSession(services, session, storageUploadId)
  if (opened) return opened
  // If this abort does not reach the store, the sweep finds the storage upload by its key.
  if (storageUploadId) {
    await abortUntilGone(services, session.store, { key: session.key, storageUploadId }).catch(
      ignoreStoreFailure,
    )
  }
  const current = await uploads.find(session.appId, session.id)
  // A repeat took over, so its outcome counts.
  if (current?.state === 'initiating') return awaitFirst(services, current)
  if (current && !hasEnded(current.state)) return current
  throw new Problem('upload-not-open', {
    detail: 'The upload was ended while it was being created. Create a new one.',
  })
}

/** A repeat waits for the first request, and takes over if that one has died. */
async function awaitFirst(services: Services, first: UploadSession): Promise<UploadSession> {
  const { uploads, clock, delay } = services
  let session = first
  for (let waited = 0; session.state === 'initiating'; waited += POLL_MS) {
    const now = clock()
    const lease = new Date(now.getTime() + LEASE_MS)
    const taken = await uploads.takeOver(session.appId, session.id, now, lease)
    if (taken) {
      await abortOrphans(services, taken).catch(throwRefusal)
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
