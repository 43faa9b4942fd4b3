// Completion, relayed or direct. The store's own listing is checked before the object exists; HEAD decides what is ambiguous.
import type { Services, StoredUpload } from '../core/ports.ts'
import { Problem } from '../core/problem.ts'
import { isStoreFailure, type StoreFailure } from '../core/store-failure.ts'
import { hasEnded, type UploadSession } from '../core/upload-session.ts'
import { notOpen } from './abort.ts'
import { failMismatch, finish } from './finish.ts'
import { expectedSize, lookForObject } from './presence.ts'
import { checkParts, type ListedParts, listAllParts } from './stored-parts.ts'
import { objectSpec } from './tokens.ts'

/** Longer than the store is waited for, so that a lease ends only when its holder is gone. */
const LEASE_MS = 90_000
const WAIT_MS = 25_000
const POLL_MS = 250

export interface CompleteInput {
  sizeBytes?: number
  checksum?: string
}

export type CompleteServices = Pick<
  Services,
  'uploads' | 'clock' | 'newId' | 'nudgeDeliveries' | 'storeNamed' | 'budget' | 'delay' | 'log'
>

/** Problems that need no look at the store. */
export function checkInput(session: UploadSession, { sizeBytes, checksum }: CompleteInput): void {
  const { plan } = session
  const arrivesWhole = session.method !== 'multipart' // HEAD tells its size.
  if (
    !arrivesWhole &&
    plan.sizeBytes === null &&
    sizeBytes === undefined &&
    session.finalSizeBytes === undefined
  ) {
    throw new Problem('size-required', {
      detail: 'Say sizeBytes: this upload began without a size.',
    })
  }
  if (plan.sizeBytes !== null && sizeBytes !== undefined && sizeBytes !== plan.sizeBytes) {
    throw new Problem('parts-mismatch', {
      detail: `The upload was created for ${plan.sizeBytes} bytes.`,
      members: { sizeBytes: plan.sizeBytes },
    })
  }
  if (plan.sizeBytes === null && (sizeBytes ?? 0) > session.reservedBytes) {
    throw new Problem('file-too-large', { detail: 'More bytes than were reserved.' })
  }
  if (checksum !== undefined && session.checksum !== undefined && checksum !== session.checksum) {
    throw new Problem('checksum-mismatch', {
      detail: 'Another checksum was declared when the upload was created.',
    })
  }
}

/**
 * Ends in `completed` or `completing`; any other outcome is a Problem. Repeating it is always safe:
 * it answers what has been reached.
 */
export async function completeUpload(
  services: CompleteServices,
  found: UploadSession,
  input: CompleteInput,
): Promise<UploadSession> {
  if (found.state === 'completed') return asDeclared(found, input)
  if (hasEnded(found.state)) throw notOpen(found, services.clock())
  checkInput(found, input)
  const waitedSince = services.clock().getTime()
  for (let waited = 0; ; waited += POLL_MS) {
    const reached = await attemptCompletion(services, found, input)
    if (reached) return reached
    const now = services.clock()
    const current = await services.uploads.find(found.appId, found.id)
    if (current?.state === 'completed') return asDeclared(current, input)
    if (!current || hasEnded(current.state)) throw notOpen(current ?? found, now)
    if (current.state === 'open' && current.expiresAt <= now) {
      throw new Problem('upload-expired', { detail: 'The upload has expired. Create a new one.' })
    }
    if (current.state === 'initiating') throw notOpen(current, now)
    // Open again: the first attempt came to nothing, so this one is next.
    if (current.state === 'completing') {
      if (waited >= WAIT_MS || now.getTime() - waitedSince >= WAIT_MS) return current
      await services.delay(POLL_MS)
    }
  }
}

/** One attempt, if no other is going on: undefined where the session cannot be claimed. */
export async function attemptCompletion(
  services: CompleteServices,
  before: UploadSession,
  input: CompleteInput,
): Promise<UploadSession | undefined> {
  const { appId, id } = before
  const now = services.clock()
  const lease = new Date(now.getTime() + LEASE_MS)
  const claimed = await services.uploads.claimCompletion(appId, id, input, now, lease)
  return claimed && completeClaimed(services, claimed, before.checksum)
}

/** Who repeats a completion gets its outcome; who declares other bytes than were completed must not take them for theirs. */
function asDeclared(completed: UploadSession, { sizeBytes, checksum }: CompleteInput) {
  const { object, id } = completed
  const stored = object?.checksums.crc64
  const [kind, value = ''] = checksum?.split(':') ?? []
  const isOther =
    checksum !== object?.declared && kind === 'crc64' && stored !== undefined
      ? BigInt(value).toString() !== stored
      : false
  if (isOther || (sizeBytes !== undefined && sizeBytes !== object?.sizeBytes)) {
    throw new Problem(isOther ? 'checksum-mismatch' : 'parts-mismatch', {
      detail: `The upload ${id} was completed with other bytes. Create a new one for these.`,
      members: { sizeBytes: object?.sizeBytes, ...(stored ? { stored: `crc64:${stored}` } : {}) },
    })
  }
  return completed
}

/** The holder of the lease. Problems found before the store was asked to complete leave no trace of an attempt. */
async function completeClaimed(
  services: CompleteServices,
  session: UploadSession,
  checksum: string | undefined,
): Promise<UploadSession> {
  const { uploads, clock } = services
  try {
    const listed = await listChecked(services, session)
    const checked = { ...session, listedCrc64: listed?.crc64 }
    return await settle(services, checked, await makeObject(services, checked, listed))
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    if (await uploads.reopen(session, { wasAttempt: false, checksum }, clock())) throw error
    return meanwhile(services, session, error)
  }
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

/** What the attempt leaves open: `gone` where the store no longer knows the storage upload. */
type Doubt = 'none' | 'gone' | 'unknown'

interface Listed extends ListedParts {
  upload: StoredUpload
  gone?: boolean
}

/** What the object is to be made of, checked; undefined where it is not made of parts. */
async function listChecked(
  { storeNamed }: Pick<Services, 'storeNamed'>,
  session: UploadSession,
): Promise<Listed | undefined> {
  const { method, key, storageUploadId, plan, checksum } = session
  const size = expectedSize(session) ?? 0
  if (method === 'credentials' || size === 0 || !storageUploadId) return undefined
  const upload = { key, storageUploadId }
  try {
    const listed = await listAllParts(storeNamed(session.store), upload)
    checkParts(plan, size, listed, checksum)
    return { ...listed, upload }
  } catch (failure) {
    if (!isStoreFailure(failure)) throw failure
    if (failure.kind === 'no-such-upload') return { upload, parts: [], sizeBytes: 0, gone: true }
    // Nothing was asked of the store's complete yet, so all but a lost storage upload is a plain Problem.
    throw refusal(failure)
  }
}

/** Has the store make the object. A definite no is a Problem. */
async function makeObject(
  { storeNamed }: Pick<Services, 'storeNamed'>,
  session: UploadSession,
  listed: Listed | undefined,
): Promise<Doubt> {
  const store = storeNamed(session.store)
  try {
    if (listed?.gone) return 'gone'
    if (listed) await store.complete(listed.upload, listed.parts, objectSpec(session))
    // With credentials, the client's own SDK completes; HEAD tells.
    else if (session.method !== 'credentials' && expectedSize(session) === 0) {
      await store.putEmpty(objectSpec(session))
    }
    return 'none'
  } catch (failure) {
    if (!isStoreFailure(failure)) throw failure
    if (failure.kind === 'no-such-upload') return 'gone'
    if (failure.kind === 'ambiguous') return 'unknown'
    if (failure.code === 'FileAlreadyExists') return 'none' // HEAD tells whose it is.
    throw refusal(failure)
  }
}

/** The bytes of a part are not what was meant: sending it again mends that. */
const SEND_PARTS_AGAIN = new Set([
  'InvalidPart',
  'InvalidPartOrder',
  'FilePartNotExist',
  'EntityTooSmall',
  'InvalidDigest',
  'InvalidCRC64',
])

/** A store's failure, in our words. The codes are OSS's and S3's. */
export function refusal(failure: StoreFailure): Problem {
  const { code, kind } = failure
  if (kind === 'no-such-upload') return uploadLost(failure)
  if (code === 'FileAlreadyExists' || code === 'PreconditionFailed') return objectExists()
  if (SEND_PARTS_AGAIN.has(code)) {
    return new Problem('parts-mismatch', {
      detail: 'The stored parts changed meanwhile. Ask for the status and complete again.',
      cause: failure,
    })
  }
  // Each of our calls is signed at its own moment, so a definite no is for the operator: key, clock, rights, bucket.
  return new Problem('storage-unavailable', {
    detail:
      kind === 'ambiguous'
        ? 'The store did not answer as expected. Try again.'
        : 'The store refused the service. Its operator has to look into storeCode.',
    cause: failure,
    retryAfterSeconds: kind === 'ambiguous' ? 2 : undefined,
    members: { storeCode: code },
  })
}

const uploadLost = (cause?: StoreFailure) =>
  new Problem('storage-upload-lost', {
    detail: 'The store no longer knows this upload. GET it: it is begun anew, then send the parts.',
    cause,
  })

const objectExists = () =>
  new Problem('object-exists', {
    detail:
      'Another object has this key, and the policy says never to overwrite. Abort this upload and use another name.',
  })

/** HEAD decides. Without the session's own object the outcome stays open only where the store may still bring it. */
async function settle(
  services: CompleteServices,
  session: UploadSession,
  doubt: Doubt,
): Promise<UploadSession> {
  const { uploads, clock, log } = services
  const presence = await lookForObject(services, session).catch((failure: unknown) => {
    if (!isStoreFailure(failure)) throw failure
    return undefined
  })
  if (presence?.kind === 'own') {
    const reached = await finish(services, session, presence.object)
    if (hasEnded(reached.state) && reached.state !== 'completed') throw notOpen(reached, clock())
    return reached
  }
  if (presence?.kind === 'mismatch') {
    const reached = await failMismatch(services, session)
    // A callback was faster, and found nothing amiss.
    if (reached.state === 'completed') return reached
    throw new Problem('object-mismatch', {
      detail: `The stored object ${presence.reason}. It was removed; create a new upload.`,
    })
  }
  if (presence && doubt === 'none') {
    if (presence.kind === 'foreign') throw objectExists()
    if (session.method !== 'multipart') {
      throw new Problem('parts-mismatch', {
        detail: 'The file is not stored yet. Send it, then complete.',
        members: { missing: [1], unexpected: [], wrongSize: [] },
      })
    }
  }
  const firstAttempt = !session.priorAttemptAt
  if (presence && doubt === 'gone' && firstAttempt) throw uploadLost()
  log('warn', 'the outcome of a completion is not known yet', { upload: session.id })
  await uploads.releaseLease(
    session,
    { missing: doubt === 'gone' && presence !== undefined },
    clock(),
  )
  return session
}
