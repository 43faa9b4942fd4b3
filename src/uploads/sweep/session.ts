// The sweep's look at one session, state by state. Every change is guarded by the session as it was read. Each function returns
// what it did, and throws StoreFailure if the store does not answer.
import type { Services } from '../../core/ports/services.ts'
import { isStoreFailure } from '../../core/ports/store-failure.ts'
import { Problem } from '../../core/problem.ts'
import {
  arrivalsUntil,
  endOf,
  isGivenUp,
  isOverSize,
  lastActivity,
  mayAutoComplete,
  nextLookAt,
  nextReleaseLookAt,
} from '../../core/sweep-rules.ts'
import {
  attemptIsRecent,
  type EndOptions,
  isRetained,
  OUTCOME_UNKNOWN,
  type UploadSession,
} from '../../core/upload-session.ts'
import { attemptCompletion } from '../completion/complete.ts'
import { storedSoFar } from '../completion/stored-parts.ts'
import { endSession } from '../ending/end.ts'
import { failMismatch, finish } from '../ending/finish.ts'
import { checkObject } from '../ending/own-object.ts'
import { abortOrphans, tryRelease } from '../ending/release.ts'
import { add, countOrphans, type Done } from './counts.ts'
import { failed, type SweepRun } from './run.ts'

/** A storage upload is lost if it is missing twice, this far apart. */
const AGAIN_MS = 60_000
/** How often an operator is reminded of a session with an unknown outcome. */
const REMIND_MS = 24 * 3600_000

export async function sweepSession(run: SweepRun, session: UploadSession): Promise<Done> {
  switch (session.state) {
    case 'initiating':
      return sweepInitiating(run, session)
    case 'open':
      return orGiveUp(run, session, sweepOpen)
    case 'completing':
      return orGiveUp(run, session, sweepCompleting)
    case 'aborted':
    case 'expired':
    case 'failed':
      return release(run, session)
    case 'completed':
      return sweepLeftovers(run, session)
    default:
      return session.state satisfies never
  }
}

async function sweepInitiating(run: SweepRun, session: UploadSession): Promise<Done> {
  if (session.leaseUntil && session.leaseUntil > run.services.clock()) return {}
  return endAs(run, session, 'failed', { failure: 'initiate-incomplete', leaseEnded: true })
}

async function sweepOpen(run: SweepRun, session: UploadSession): Promise<Done> {
  const { services } = run
  const now = services.clock()
  const hasExpired = session.expiresAt <= now
  const mayBeStored = mayComeUnseen(session) || (hasExpired && session.attemptAt !== undefined)
  if (mayBeStored && (await endByObject(services, session))) return {}
  if (attemptIsRecent(session, now)) return {}
  // HEAD has decided. No list of parts could keep an expired session open.
  if (hasExpired) return endAs(run, session, 'expired', { activeAt: session.activeAt })

  const stored = await storedSoFar(services, session)
  // Without its storage upload, the session was either completed late or is lost: HEAD tells which.
  if (!stored && (await endByObject(services, session))) return {}
  const activity = lastActivity(session, stored)
  if (endOf(session, activity) <= now.getTime()) {
    return endAs(run, session, 'expired', { activeAt: session.activeAt })
  }
  const isWatched =
    !services.storeNamed(session.store).bindsLength || session.method === 'credentials'
  if (stored && isWatched && isOverSize(session, stored)) {
    return endAs(run, session, 'failed', { failure: 'file-too-large' })
  }
  if (stored && mayAutoComplete(session, stored, now) && (await autoComplete(services, session))) {
    return {}
  }
  await services.uploads.scheduleSweep(session, nextLookAt(session, { activity, isWatched, now }))
  return {}
}

/**
 * Completes an upload for a client that sent every part and left, by the same path as the client's call. Returns whether it is
 * completed or being completed. A failed check leaves the session open.
 */
async function autoComplete(services: Services, session: UploadSession): Promise<boolean> {
  const { log } = services
  try {
    const after = await attemptCompletion(services, session, {})
    if (after?.state === 'completed') {
      log('info', 'an upload was completed without its client', { upload: session.id })
    }
    return after !== undefined
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem
    log('warn', 'an upload cannot be completed without its client', {
      upload: session.id,
      reason: problem.code,
    })
    return false
  }
}

/** Whether the object may be stored without a call to us. */
const mayComeUnseen = ({ direct, method, policy }: UploadSession): boolean =>
  direct || (method !== 'multipart' && policy.completion !== 'backend')

/** The holder of the lease is gone, or left the outcome open. */
async function sweepCompleting(run: SweepRun, session: UploadSession): Promise<Done> {
  const { services } = run
  const { uploads, clock } = services
  const now = clock()
  if (session.leaseUntil && session.leaseUntil > now) return {}
  if (await endByObject(services, session)) return {}
  // A single PUT has no storage upload to lose: its client can always send it again.
  const isLost = session.storageUploadId && !(await storageUploadExists(run, session))
  if (!isLost) {
    if (!attemptIsRecent(session, now)) await uploads.reopen(session, { wasAttempt: true }, now)
    return {}
  }
  if (!session.missingSince) {
    await uploads.releaseLease(session, { missing: true, wasAttempt: true }, now)
    return {}
  }
  if (now.getTime() - session.missingSince.getTime() < AGAIN_MS) return {}
  if (session.expiresAt <= now)
    return endAs(run, session, 'failed', { failure: 'storage-upload-lost' })
  await uploads.reopen(session, { wasAttempt: true }, now)
  return {}
}

/** An expired session counts as having one if the store refuses to list it: HEAD has decided, and it must still end. */
async function storageUploadExists(
  { services }: SweepRun,
  session: UploadSession,
): Promise<boolean> {
  try {
    return (await storedSoFar(services, session)) !== undefined
  } catch (failure) {
    if (!isStoreFailure(failure) || session.expiresAt > services.clock()) throw failure
    return true
  }
}

/** Finishes or fails the session if its own object is stored. Returns whether it did. */
async function endByObject(services: Services, session: UploadSession): Promise<boolean> {
  const check = await checkObject(services, session)
  if (check.kind === 'own') await finish(services, session, check.object)
  else if (check.kind === 'mismatch') await failMismatch(services, session, check.object)
  else return false
  return true
}

async function endAs(
  run: SweepRun,
  session: UploadSession,
  to: 'expired' | 'failed',
  options: EndOptions,
): Promise<Done> {
  const ended = await endSession(run.services, session, to, { ...asRead(session), ...options })
  return ended ? release(run, ended) : {}
}

const asRead = (session: UploadSession): EndOptions => ({
  from: [session.state],
  attempt: session.state === 'completing' ? session.attempt : undefined,
})

/**
 * A session stays as it is while its store does not answer. A day after its end it fails with its outcome unknown, and
 * everything that it has in the store stays there.
 */
async function orGiveUp(
  run: SweepRun,
  session: UploadSession,
  work: typeof sweepOpen,
): Promise<Done> {
  try {
    return await work(run, session)
  } catch (failure) {
    if (!isStoreFailure(failure) || !isGivenUp(session, run.services.clock())) throw failure
    const options = { ...asRead(session), failure: OUTCOME_UNKNOWN }
    if (!(await endSession(run.services, session, 'failed', options))) throw failure
    return {}
  }
}

/** Gives back what an ended session holds in the store. */
async function release(run: SweepRun, session: UploadSession): Promise<Done> {
  // Set as it happens, so that it counts even if the store fails later in the same look.
  let done: Done = {}
  try {
    if (isRetained(session)) {
      done = { kept: 1 }
      await remindOfUnknown(run, session)
      return done
    }
    const { storageReleasedAt, reservedBytes } = await tryRelease(
      run.services,
      session,
      (orphans) => {
        done = countOrphans(orphans, run.services.clock())
      },
    )
    return storageReleasedAt ? { ...done, released: 1, releasedBytes: reservedBytes } : done
  } catch (error) {
    const subject = { app: session.appId, upload: session.id, store: session.store }
    return add(done, failed(run, subject, error))
  }
}

/** Leaves the storage to an operator. The quota is given back once HEAD and ListParts show that nothing is there. */
async function remindOfUnknown({ services }: SweepRun, session: UploadSession): Promise<void> {
  const { uploads, clock, storeNamed, log } = services
  const { id, key, store, storageUploadId } = session
  const now = clock()
  await uploads.scheduleSweep(session, new Date(now.getTime() + REMIND_MS))
  log('warn', 'the outcome of an upload is not known: look at its key', { upload: id, store, key })
  if (await storeNamed(store).head(key)) return
  if (storageUploadId && (await storedSoFar(services, session))) return
  await uploads.releaseStorage(session, now)
}

/** Aborts what a second initiate, or the client's own SDK, may have left under the key of a completed session. */
async function sweepLeftovers({ services }: SweepRun, session: UploadSession): Promise<Done> {
  const { uploads, clock } = services
  const orphans = await abortOrphans(services, session)
  const now = clock()
  if (!orphans.length) {
    if (arrivalsUntil(session) > now.getTime()) {
      await uploads.scheduleSweep(session, nextReleaseLookAt(session, now))
    } else {
      await uploads.clearLeftovers(session)
    }
  }
  return countOrphans(orphans, now)
}
