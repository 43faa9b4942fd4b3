// Completion, relayed or direct. The store's own listing is checked before the object exists; HEAD decides what is ambiguous.
import type { Services } from '../../core/ports/services.ts'
import { isStoreFailure } from '../../core/ports/store-failure.ts'
import { Problem } from '../../core/problem.ts'
import type { StoredUpload } from '../../core/stored.ts'
import {
  type Declaration,
  hasEnded,
  objectSpec,
  type UploadSession,
} from '../../core/upload-session.ts'
import { failMismatch, finish } from '../ending/finish.ts'
import { expectedSize, lookForObject, type Made } from '../ending/own-object.ts'
import { notOpen, objectExists, refusal, uploadLost } from '../problems.ts'
import {
  asDeclared,
  checkInput,
  checkWhole,
  isTakenOver,
  wouldDeclareOtherwise,
} from './declaration.ts'
import { checkParts, type ListedParts, listToCheck } from './stored-parts.ts'

/** Longer than the store is waited for, so that a lease ends only when its holder is gone. */
const LEASE_MS = 90_000
const WAIT_MS = 25_000
const POLL_MS = 250

export type CompleteServices = Pick<
  Services,
  'uploads' | 'clock' | 'newId' | 'nudgeDeliveries' | 'storeNamed' | 'budget' | 'delay' | 'log'
>

/**
 * Ends in `completed` or `completing`; any other outcome is a Problem. Repeating it is always safe:
 * it answers what has been reached.
 */
export async function completeUpload(
  services: CompleteServices,
  found: UploadSession,
  input: Declaration,
): Promise<UploadSession> {
  if (found.state === 'completed') return asDeclared(found, input)
  if (hasEnded(found.state)) throw notOpen(found, services.clock())
  checkInput(found, input)
  const waitedSince = services.clock().getTime()
  for (let waited = 0; ; waited += POLL_MS) {
    const reached = await attemptCompletion(services, found, input)
    if (reached) return reached.state === 'completed' ? asDeclared(reached, input) : reached
    const now = services.clock()
    const current = await services.uploads.find(found.appId, found.id)
    if (current?.state === 'completed') return asDeclared(current, input)
    if (!current || hasEnded(current.state)) throw notOpen(current ?? found, now)
    if (current.state === 'open' && current.expiresAt <= now) {
      throw new Problem('upload-expired', { detail: 'The upload has expired. Create a new one.' })
    }
    if (current.state === 'initiating') throw notOpen(current, now)
    if (waited >= WAIT_MS || now.getTime() - waitedSince >= WAIT_MS) return current
    // Open again: the first attempt came to nothing, so this one is next.
    if (current.state === 'completing') await services.delay(POLL_MS)
  }
}

/** One attempt, if no other is going on: undefined where the session cannot be claimed. */
export async function attemptCompletion(
  services: CompleteServices,
  { appId, id }: UploadSession,
  input: Declaration,
): Promise<UploadSession | undefined> {
  const now = services.clock()
  const lease = new Date(now.getTime() + LEASE_MS)
  const claimed = await services.uploads.claimCompletion(appId, id, input, now, lease)
  return claimed && completeClaimed(services, claimed, input)
}

/**
 * The holder of the lease. Problems found before the store was asked to complete leave no trace of an attempt. Undefined where
 * there has to be another: somebody else's came to nothing.
 */
async function completeClaimed(
  services: CompleteServices,
  session: UploadSession,
  input: Declaration,
): Promise<UploadSession | undefined> {
  const { uploads, clock } = services
  try {
    const listed = await listChecked(services, session)
    const checked = await withChecked(services, session, listed)
    return checked && (await settle(services, checked, await makeObject(services, checked, listed)))
  } catch (failure) {
    const error = isStoreFailure(failure) ? refusal(failure) : failure
    if (!(error instanceof Problem)) throw error
    // ListParts failed too, so the earlier attempt is still undecided. This one asked the store for nothing and was none.
    if (isStoreFailure(failure) && isTakenOver(session)) {
      await uploads.releaseLease(session, { missing: false, wasAttempt: false }, clock())
      throw error
    }
    if (!(await uploads.reopen(session, { wasAttempt: false }, clock()))) {
      return meanwhile(services, session, error)
    }
    if (wouldDeclareOtherwise(session, input)) return undefined
    throw error
  }
}

/**
 * A direct completion may be out for other parts than are listed now. Then it is recorded that the object may be of these, before
 * the store is asked: undefined where the lease was lost meanwhile.
 */
async function withChecked(
  { uploads, clock }: CompleteServices,
  session: UploadSession,
  listed: Listed | undefined,
): Promise<UploadSession | undefined> {
  const { direct, checkedCrc64 } = session
  if (!direct || !checkedCrc64 || !listed || listed.gone) return session
  if (listed.crc64 !== undefined && checkedCrc64.includes(listed.crc64)) return session
  return uploads.recordChecked(session, listed.crc64, clock())
}

/** The lease was lost, so what others made of the session is the answer, not what we saw of it. */
async function meanwhile(
  { uploads, clock }: CompleteServices,
  session: UploadSession,
  problem: Problem,
): Promise<UploadSession> {
  const current = await uploads.find(session.appId, session.id)
  if (current?.state === 'completed') return current
  const endedByOthers = current && hasEnded(current.state) && current.failure !== problem.code
  throw endedByOthers ? notOpen(current, clock()) : problem
}

interface Listed extends ListedParts {
  upload: StoredUpload
  /** The store no longer knows the storage upload. */
  gone?: boolean
}

const NO_PARTS: ListedParts = { parts: [], sizeBytes: 0, crc64: '0' }

/** What the object is to be made of, checked; undefined where it is not made of parts. Throws StoreFailure. */
async function listChecked(
  { storeNamed }: Pick<Services, 'storeNamed'>,
  session: UploadSession,
): Promise<Listed | undefined> {
  const { method, key, storageUploadId, plan, checksum } = session
  const size = expectedSize(session)
  if (method === 'credentials' || size === undefined) return undefined
  if (!storageUploadId) {
    if (size === 0) checkParts(plan, 0, NO_PARTS, checksum)
    return undefined
  }
  const upload = { key, storageUploadId }
  try {
    const listed = await listToCheck(storeNamed(session.store), upload)
    checkParts(plan, size, listed, checksum)
    return { ...listed, upload }
  } catch (failure) {
    if (isStoreFailure(failure, 'no-upload')) return { ...NO_PARTS, upload, gone: true }
    throw failure
  }
}

/** What is known of the object after the store was asked for it. */
type Outcome =
  /** Made by this attempt, or stored by the client itself. */
  | { kind: 'made'; made?: Made }
  /** There was one already. */
  | { kind: 'exists' }
  /** The store no longer knows the storage upload: there is an object, or nothing. */
  | { kind: 'gone' }
  | { kind: 'unknown' }

/** Has the store make the object. A definite no is a Problem. */
async function makeObject(
  { storeNamed }: Pick<Services, 'storeNamed'>,
  session: UploadSession,
  listed: Listed | undefined,
): Promise<Outcome> {
  const store = storeNamed(session.store)
  try {
    if (listed?.gone) return { kind: 'gone' }
    // With credentials, the client's own SDK completes; HEAD tells.
    if (session.method !== 'credentials' && expectedSize(session) === 0) {
      await store.putEmpty(objectSpec(session))
      return { kind: 'made', made: NO_PARTS }
    }
    if (listed) await store.complete(listed.upload, listed.parts, objectSpec(session))
    return { kind: 'made', made: listed }
  } catch (failure) {
    if (!isStoreFailure(failure)) throw failure
    if (failure.kind === 'no-upload') return { kind: 'gone' }
    if (failure.kind === 'ambiguous') return { kind: 'unknown' }
    if (failure.kind === 'exists') return { kind: 'exists' } // HEAD tells whose it is.
    throw refusal(failure)
  }
}

/**
 * HEAD decides. Without the session's own object the outcome stays open only where the store may still bring it. Undefined where
 * somebody else has changed the session, and there has to be another attempt.
 */
async function settle(
  services: CompleteServices,
  session: UploadSession,
  outcome: Outcome,
): Promise<UploadSession | undefined> {
  const { uploads, clock, log } = services
  const made = outcome.kind === 'made' ? outcome.made : undefined
  // A store that refused made nothing this time: an object without a stamp is then ours only by an earlier attempt.
  const asked =
    outcome.kind === 'exists' ? { ...session, attemptAt: session.priorAttemptAt } : session
  const presence = await lookForObject(services, asked, made).catch((failure: unknown) => {
    if (!isStoreFailure(failure)) throw failure
    return undefined
  })
  if (presence?.kind === 'own') {
    if (session.method !== 'multipart') checkWhole(session, presence.object)
    const finished = await finish(services, session, presence.object, outcome.kind === 'made')
    return reached(finished, clock())
  }
  if (presence?.kind === 'mismatch') {
    const failed = await failMismatch(services, session, presence.object)
    if (failed.state !== 'failed') return reached(failed, clock())
    throw new Problem('object-mismatch', {
      detail: `The stored object ${presence.reason}. It was removed; create a new upload.`,
    })
  }
  if (presence?.kind === 'foreign' && (outcome.kind === 'made' || outcome.kind === 'exists')) {
    throw objectExists()
  }
  if (presence && outcome.kind === 'made' && session.method !== 'multipart') {
    throw new Problem('parts-mismatch', {
      detail: 'The file is not stored yet. Send it, then complete.',
      members: { missing: [1], unexpected: [], wrongSize: [] },
    })
  }
  const gone = outcome.kind === 'gone' && presence !== undefined
  if (gone && !session.priorAttemptAt) throw uploadLost()
  log('warn', 'the outcome of a completion is not known yet', { upload: session.id })
  const released = await uploads.releaseLease(session, { missing: gone, wasAttempt: true }, clock())
  return released ?? reached(await current(services, session), clock())
}

const current = async ({ uploads }: Pick<Services, 'uploads'>, session: UploadSession) =>
  (await uploads.find(session.appId, session.id)) ?? session

/** Whoever was faster has settled it; undefined where that is no end. */
function reached(session: UploadSession, now: Date): UploadSession | undefined {
  if (session.state === 'completed' || session.state === 'completing') return session
  if (hasEnded(session.state)) throw notOpen(session, now)
  return undefined
}
