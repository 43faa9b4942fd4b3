// Completes an upload, relayed or directly stored. The stored parts are checked before the object exists, and HEAD decides
// an attempt whose outcome is not known.
import { checksumTexts } from '../../core/checksum.ts'
import type { Services } from '../../core/ports/services.ts'
import { isStoreFailure } from '../../core/ports/store-failure.ts'
import { Problem } from '../../core/problem.ts'
import type { StoredUpload } from '../../core/stored.ts'
import {
  type Declaration,
  declarationOf,
  hasEnded,
  objectSpec,
  type UploadSession,
} from '../../core/upload-session.ts'
import { currentSession } from '../ending/end.ts'
import { failMismatch, finish } from '../ending/finish.ts'
import { checkObject, expectedSize, type ObjectCheck } from '../ending/own-object.ts'
import { notOpen, objectExists, refusal, uploadExpired, uploadLost } from '../problems.ts'
import {
  checkInput,
  checkWhole,
  isTakenOver,
  rejectConflict,
  wouldDeclareOtherwise,
} from './declaration.ts'
import { checkParts, type ListedParts, listToCheck, NO_PARTS } from './stored-parts.ts'

/** Longer than any wait for the store, so that a lease ends only when its holder is gone. */
const LEASE_MS = 90_000
const WAIT_MS = 25_000
const POLL_MS = 250

/** Returns the session `completed`, or as it is after the longest wait. Any other outcome is a Problem. Safe to repeat. */
export async function completeUpload(
  services: Services,
  session: UploadSession,
  input: Declaration,
): Promise<UploadSession> {
  const { state } = session
  const outcome = hasEnded(state) ? session : await completeUnfinished(services, session, input)
  if (outcome.state === 'completed') return rejectConflict(outcome, input)
  if (hasEnded(outcome.state)) throw notOpen(outcome, services.clock())
  return outcome
}

/** Makes an attempt, or waits for the one under way and takes the next turn if that one came to nothing. */
async function completeUnfinished(
  services: Services,
  session: UploadSession,
  input: Declaration,
): Promise<UploadSession> {
  checkInput(session, input)
  const { uploads, clock, delay } = services
  const startedAt = clock().getTime()
  for (let waited = 0; ; waited += POLL_MS) {
    const outcome = await attemptCompletion(services, session, input)
    if (outcome) return outcome
    const now = clock()
    const current = await uploads.find(session.appId, session.id)
    if (!current || current.state === 'initiating') throw notOpen(current ?? session, now)
    if (hasEnded(current.state)) return current
    if (current.state === 'open' && current.expiresAt <= now) {
      throw uploadExpired()
    }
    if (waited >= WAIT_MS || now.getTime() - startedAt >= WAIT_MS) return current
    if (current.state === 'completing') await delay(POLL_MS)
  }
}

/** Makes one attempt. Returns undefined if the session cannot be claimed now, or if it is open again for another attempt. */
export async function attemptCompletion(
  services: Services,
  { appId, id }: UploadSession,
  input: Declaration,
): Promise<UploadSession | undefined> {
  const { uploads, clock } = services
  const now = clock()
  const lease = new Date(now.getTime() + LEASE_MS)
  const session = await uploads.claimCompletion(appId, id, input, now, lease)
  if (!session) return undefined
  try {
    return await completeClaimed(services, session)
  } catch (failure) {
    return withdraw(services, session, input, failure)
  }
}

async function completeClaimed(
  services: Services,
  claimed: UploadSession,
): Promise<UploadSession | undefined> {
  const listed = await listChecked(services, claimed)
  const session = await recordListing(services, claimed, listed)
  if (!session) return undefined
  const answer = await makeObject(services, session, listed)
  return resolveAttempt(services, session, answer, listed)
}

/** After a definite refusal the session is open as before the attempt, so that another one can follow. */
async function withdraw(
  { uploads, clock }: Services,
  session: UploadSession,
  input: Declaration,
  failure: unknown,
): Promise<UploadSession | undefined> {
  const problem = isStoreFailure(failure) ? refusal(failure) : failure
  if (!(problem instanceof Problem)) throw problem
  // ListParts failed too, so the earlier attempt is still undecided. This one asked the store for nothing and was none.
  if (isStoreFailure(failure) && isTakenOver(session)) {
    await uploads.releaseLease(session, { missing: false, wasAttempt: false }, clock())
    throw problem
  }
  if (await uploads.reopen(session, { wasAttempt: false }, clock())) {
    // It was the earlier attempt's declaration that failed. The caller's own has its turn.
    if (wouldDeclareOtherwise(session, input)) return undefined
    throw problem
  }
  // The lease was lost, so the answer is what others made of the session.
  const current = await uploads.find(session.appId, session.id)
  if (current?.state === 'completed') return current
  const endedByOthers = current && hasEnded(current.state) && current.failure !== problem.code
  throw endedByOthers ? notOpen(current, clock()) : problem
}

interface Listed extends ListedParts {
  upload?: StoredUpload
  /** The store no longer knows the storage upload. */
  gone?: boolean
}

/** Lists and checks the parts; undefined if the object is not made of parts. Throws Problem and StoreFailure. */
async function listChecked(
  { storeNamed }: Pick<Services, 'storeNamed'>,
  session: UploadSession,
): Promise<Listed | undefined> {
  const { method, key, storageUploadId, plan } = session
  const size = expectedSize(session)
  if (method === 'credentials' || size === undefined) return undefined
  if (!storageUploadId && size > 0) return undefined
  const upload = storageUploadId ? { key, storageUploadId } : undefined
  try {
    const listed = upload ? await listToCheck(storeNamed(session.store), upload) : NO_PARTS
    checkParts(plan, size, listed, declarationOf(session).checksum)
    return { ...listed, upload }
  } catch (failure) {
    if (isStoreFailure(failure, 'no-upload')) return { ...NO_PARTS, upload, gone: true }
    throw failure
  }
}

/**
 * Records, before the store is asked, that the object may be of these parts, if a direct completion was signed for others.
 * Returns undefined if the lease was lost.
 */
async function recordListing(
  { uploads, clock }: Services,
  session: UploadSession,
  listed: Listed | undefined,
): Promise<UploadSession | undefined> {
  const { direct, checkedChecksums } = session
  if (!direct || !checkedChecksums || !listed || listed.gone) return session
  if (checksumTexts(listed.checksums).some((text) => checkedChecksums.includes(text)))
    return session
  return uploads.recordChecked(session, listed.checksums, clock())
}

/** How the store answered: `exists` if the key was taken, `gone` if it no longer knows the storage upload. */
type Answer = 'made' | 'exists' | 'gone' | 'unknown'

/** Has the store make the object, unless the client has stored it itself. Throws a Problem for a definite refusal. */
async function makeObject(
  { storeNamed }: Pick<Services, 'storeNamed'>,
  session: UploadSession,
  listed: Listed | undefined,
): Promise<Answer> {
  if (!listed) return 'made'
  if (listed.gone) return 'gone'
  const store = storeNamed(session.store)
  const { upload, parts } = listed
  try {
    if (upload && parts.length) await store.complete(upload, parts, objectSpec(session))
    else await store.putEmpty(objectSpec(session))
    return 'made'
  } catch (failure) {
    if (!isStoreFailure(failure)) throw failure
    if (failure.kind === 'no-upload') return 'gone'
    if (failure.kind === 'ambiguous') return 'unknown'
    if (failure.kind === 'exists') return 'exists'
    throw refusal(failure)
  }
}

/**
 * Decides the attempt by HEAD. Without the session's own object, the outcome stays open only if the store may still make it.
 * Returns undefined if others have reopened the session, so that another attempt is needed.
 */
async function resolveAttempt(
  services: Services,
  session: UploadSession,
  answer: Answer,
  listed: Listed | undefined,
): Promise<UploadSession | undefined> {
  const { uploads, clock, log } = services
  // A store that refused made nothing this time: an object without a stamp is then ours only by an earlier attempt.
  const asked = answer === 'exists' ? { ...session, attemptAt: session.priorAttemptAt } : session
  const made = answer === 'made' ? listed : undefined
  const check = await checkObject(services, asked, made).catch((failure: unknown) => {
    if (!isStoreFailure(failure)) throw failure
    return undefined
  })
  if (check?.kind === 'own') {
    if (session.method !== 'multipart') checkWhole(session, check.object)
    return outcomeOrThrow(await finish(services, session, check.object, answer === 'made'), clock())
  }
  if (check?.kind === 'mismatch') {
    const failed = await failMismatch(services, session, check.object)
    if (failed.state !== 'failed') return outcomeOrThrow(failed, clock())
    throw new Problem('object-mismatch', {
      detail: `The stored object ${check.reason}. It was removed; create a new upload.`,
    })
  }
  if (check) rejectWithoutObject(session, answer, check)
  log('warn', 'the outcome of a completion is not known yet', { upload: session.id })
  const missing = check !== undefined && answer === 'gone'
  const released = await uploads.releaseLease(session, { missing, wasAttempt: true }, clock())
  return released ?? outcomeOrThrow(await currentSession(services, session), clock())
}

/** Throws the reason why there is no object of this session, unless the store may still make it. */
function rejectWithoutObject(session: UploadSession, answer: Answer, { kind }: ObjectCheck): void {
  if (kind === 'foreign' && (answer === 'made' || answer === 'exists')) throw objectExists()
  if (answer === 'made' && session.method !== 'multipart') {
    throw new Problem('parts-mismatch', {
      detail: 'The file is not stored yet. Send it, then complete.',
      members: { missing: [1], unexpected: [], wrongSize: [] },
    })
  }
  if (answer === 'gone' && !session.priorAttemptAt) throw uploadLost()
}

/** Returns undefined for a session that is open again. */
function outcomeOrThrow(session: UploadSession, now: Date): UploadSession | undefined {
  if (session.state === 'completed' || session.state === 'completing') return session
  if (hasEnded(session.state)) throw notOpen(session, now)
  return undefined
}
