// The sweep's look at one session: stuck half-way, idle or at its end, too large, done but for its client, or ended with
// something still at the store. Every change is guarded by what was read.
import { isStoreFailure } from '../../core/ports/store-failure.ts'
import {
  arrivalsUntil,
  endOf,
  isGivenUp,
  isOverSize,
  lastActivity,
  mayAutoComplete,
  nextLookAt,
  nextReleaseLookAt,
  type StoredSoFar,
} from '../../core/sweep-rules.ts'
import {
  attemptIsRecent,
  type EndOptions,
  isRetained,
  OUTCOME_UNKNOWN,
  type UploadSession,
} from '../../core/upload-session.ts'
import { storedSoFar } from '../completion/stored-parts.ts'
import { endSession } from '../ending/end.ts'
import { failMismatch, finish } from '../ending/finish.ts'
import { checkObject } from '../ending/own-object.ts'
import { abortOrphans, tryRelease } from '../ending/release.ts'
import { autoComplete } from './auto-complete.ts'
import { countOrphans, type SweepRun } from './run.ts'

/** Not seen twice so far apart is gone. */
const AGAIN_MS = 60_000
/** How often an operator is reminded of what is kept. */
const REMIND_MS = 24 * 3600_000

/** Throws StoreFailure. */
export async function sweepSession(run: SweepRun, session: UploadSession): Promise<void> {
  switch (session.state) {
    case 'initiating':
      return sweepInitiating(run, session)
    case 'open':
      return orGiveUp(run, session, () => sweepOpen(run, session))
    case 'completing':
      return orGiveUp(run, session, () => sweepCompleting(run, session))
    case 'aborted':
    case 'expired':
    case 'failed':
      return release(run, session)
    case 'completed':
      return sweepLeftovers(run, session)
    default:
      session.state satisfies never
  }
}

/**
 * A store that tells nothing keeps the session as it is: it is asked again. A day after its end the session has failed with its
 * outcome unknown, and keeps what it has at the store.
 */
async function orGiveUp(
  { services }: SweepRun,
  session: UploadSession,
  look: () => Promise<void>,
): Promise<void> {
  try {
    await look()
  } catch (failure) {
    if (!isStoreFailure(failure) || !isGivenUp(session, services.clock())) throw failure
    const failed = await endSession(services, session, 'failed', {
      failure: OUTCOME_UNKNOWN,
      from: [session.state],
      attempt: session.state === 'completing' ? session.attempt : undefined,
    })
    if (!failed) throw failure
  }
}

/** Nothing of it is touched: an operator decides. Its quota is given back once HEAD and ListParts show nothing any more. */
async function lookAtKept({ services, counts }: SweepRun, session: UploadSession): Promise<void> {
  const { uploads, clock, storeNamed, log } = services
  const { id, key, store, storageUploadId } = session
  const now = clock()
  await uploads.scheduleSweep(session, new Date(now.getTime() + REMIND_MS))
  counts.kept++
  log('warn', 'the outcome of an upload is not known: look at its key', { upload: id, store, key })
  if (await storeNamed(store).head(key)) return
  if (storageUploadId && (await storedSoFar(services, session))) return
  await uploads.releaseStorage(session, now)
}

async function release(run: SweepRun, session: UploadSession): Promise<void> {
  if (isRetained(session)) return lookAtKept(run, session)
  const { counts } = run
  const released = await tryRelease(run.services, session, (orphans) => countOrphans(run, orphans))
  if (!released.storageReleasedAt) return
  counts.released++
  counts.releasedBytes += released.reservedBytes
}

async function endAs(
  run: SweepRun,
  session: UploadSession,
  to: 'expired' | 'failed',
  options: EndOptions = {},
): Promise<void> {
  const attempt = session.state === 'completing' ? session.attempt : undefined
  const guards = { from: [session.state], attempt, ...options }
  const ended = await endSession(run.services, session, to, guards)
  if (ended) await release(run, ended)
}

async function sweepInitiating(run: SweepRun, session: UploadSession): Promise<void> {
  const failure = 'initiate-incomplete'
  if ((session.leaseUntil?.getTime() ?? 0) > run.services.clock().getTime()) return
  await endAs(run, session, 'failed', { failure, leaseEnded: true })
}

async function sweepOpen(run: SweepRun, session: UploadSession): Promise<void> {
  const { services } = run
  const now = services.clock()
  const hasExpired = session.expiresAt <= now
  const mayBeThere = mayComeUnseen(session) || (hasExpired && session.attemptAt !== undefined)
  if (mayBeThere && (await settleObject(services, session))) return
  if (attemptIsRecent(session, now)) return
  // At the absolute end HEAD has decided: whatever ListParts would say, no parts are waited for.
  if (hasExpired) return endAs(run, session, 'expired', { activeAt: session.activeAt })
  const store = services.storeNamed(session.store)
  const stored = await storedSoFar(services, session)
  // Lost is what was completed later than anybody waited for, or really lost: HEAD tells.
  if (!stored && (await settleObject(services, session))) return
  const activity = lastActivity(session, stored)
  if (endOf(session, activity) <= now.getTime()) {
    return endAs(run, session, 'expired', { activeAt: session.activeAt })
  }
  const watched = !store.bindsLength || session.method === 'credentials'
  if (stored && watched && isOverSize(session, stored)) {
    return endAs(run, session, 'failed', { failure: 'file-too-large' })
  }
  if (stored && mayAutoComplete(session, stored, now) && (await autoComplete(services, session))) {
    return
  }
  await services.uploads.scheduleSweep(session, nextLookAt(session, { activity, watched, now }))
}

/** The object may come without a word to us. */
const mayComeUnseen = ({ direct, method, policy }: UploadSession): boolean =>
  direct || (method !== 'multipart' && policy.completion !== 'backend')

/** An own object finishes the session, or fails it. Throws StoreFailure where the store does not tell. */
async function settleObject(
  services: SweepRun['services'],
  session: UploadSession,
): Promise<boolean> {
  const presence = await checkObject(services, session)
  if (presence.kind === 'own') await finish(services, session, presence.object)
  else if (presence.kind === 'mismatch') await failMismatch(services, session, presence.object)
  else return false
  return true
}

/** The holder of the lease is gone, or left the outcome open. */
async function sweepCompleting(run: SweepRun, session: UploadSession): Promise<void> {
  const { services } = run
  const { uploads, clock } = services
  const now = clock()
  if (session.leaseUntil && session.leaseUntil > now) return
  if (await settleObject(services, session)) return
  const stored = session.storageUploadId ? await storedOrEnded(run, session) : NOTHING // A single PUT can always come again.
  if (stored) {
    if (attemptIsRecent(session, now)) return
    return void (await uploads.reopen(session, { wasAttempt: true }, now))
  }
  if (!session.missingSince) {
    return void (await uploads.releaseLease(session, { missing: true, wasAttempt: true }, now))
  }
  if (now.getTime() - session.missingSince.getTime() < AGAIN_MS) return
  if (session.expiresAt > now) {
    return void (await uploads.reopen(session, { wasAttempt: true }, now))
  }
  await endAs(run, session, 'failed', { failure: 'storage-upload-lost' })
}

const NOTHING: StoredSoFar = { parts: [], sizeBytes: 0 }

/** At the absolute end HEAD has decided, so a list that is refused for good must not keep the session from it. */
async function storedOrEnded(
  { services }: SweepRun,
  session: UploadSession,
): Promise<StoredSoFar | undefined> {
  try {
    return await storedSoFar(services, session)
  } catch (failure) {
    if (!isStoreFailure(failure) || session.expiresAt > services.clock()) throw failure
    return NOTHING
  }
}

/** Of a completed session only what a second initiate, or the client's own SDK, may have left under its key. */
async function sweepLeftovers(run: SweepRun, session: UploadSession): Promise<void> {
  const { uploads, clock } = run.services
  const orphans = await abortOrphans(run.services, session)
  countOrphans(run, orphans)
  if (orphans.length) return
  const now = clock()
  if (arrivalsUntil(session) > now.getTime()) {
    return uploads.scheduleSweep(session, nextReleaseLookAt(session, now))
  }
  await uploads.clearLeftovers(session)
}
