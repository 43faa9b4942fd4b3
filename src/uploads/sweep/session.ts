// The sweep's look at one session: stuck half-way, idle or at its end, too large, done but for its client, or ended with
// something still at the store. Every change is guarded by what was read.
import {
  arrivalsUntil,
  endOf,
  isOverSize,
  lastActivity,
  mayAutoComplete,
  nextLookAt,
  nextReleaseLookAt,
  type StoredSoFar,
} from '../../core/sweep-rules.ts'
import { attemptIsRecent, type EndOptions, type UploadSession } from '../../core/upload-session.ts'
import { endSession } from '../end.ts'
import { failMismatch, finish } from '../finish.ts'
import { lookForObject } from '../presence.ts'
import { abortOrphans, tryRelease } from '../release.ts'
import { storedSoFar } from '../stored-parts.ts'
import { autoComplete } from './auto-complete.ts'
import { countOrphans, type SweepRun } from './run.ts'

/** Not seen twice so far apart is gone. */
const AGAIN_MS = 60_000

/** Throws StoreFailure. */
export async function sweepSession(run: SweepRun, session: UploadSession): Promise<void> {
  switch (session.state) {
    case 'initiating':
      return sweepInitiating(run, session)
    case 'open':
      return sweepOpen(run, session)
    case 'completing':
      return sweepCompleting(run, session)
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

async function release(run: SweepRun, session: UploadSession): Promise<void> {
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
  if (await settledByObject(run, session)) return
  if (attemptIsRecent(session, now)) return
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

/** Where the object may come without a word to us, it is looked for: it finishes the session, or fails it. */
async function settledByObject({ services }: SweepRun, session: UploadSession): Promise<boolean> {
  const backendCompletes = session.policy.completion === 'backend'
  const mayCome = session.direct || (session.method !== 'multipart' && !backendCompletes)
  return mayCome && settleObject(services, session)
}

async function settleObject(
  services: SweepRun['services'],
  session: UploadSession,
): Promise<boolean> {
  const presence = await lookForObject(services, session)
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
  const stored: StoredSoFar | undefined = session.storageUploadId
    ? await storedSoFar(services, session)
    : { parts: [], sizeBytes: 0 } // A single PUT can always come again.
  if (stored) {
    if (attemptIsRecent(session, now)) return
    return void (await uploads.reopen(session, { wasAttempt: true }, now))
  }
  if (!session.missingSince) {
    return void (await uploads.releaseLease(session, { missing: true }, now))
  }
  if (now.getTime() - session.missingSince.getTime() < AGAIN_MS) return
  if (session.expiresAt > now) {
    return void (await uploads.reopen(session, { wasAttempt: true }, now))
  }
  await endAs(run, session, 'failed', { failure: 'storage-upload-lost' })
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
