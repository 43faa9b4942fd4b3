// Scheduled reconciliation: inbox leftovers, sessions stuck half-way, expiry, and storage that is not released yet.
// Bounded, oldest first, and harmless when two run at once: every change is guarded.
import { POLICY_DEFAULTS } from '../core/policy.ts'
import type { Services } from '../core/ports.ts'
import { isStoreFailure } from '../core/store-failure.ts'
import { attemptIsRecent, type UploadSession } from '../core/upload-session.ts'
import { type CallbackServices, processCallback } from './callback.ts'
import { endSession } from './end.ts'
import { failMismatch, finish, lookForObject } from './finish.ts'
import { releaseStorage } from './release.ts'

/** What a callback needs, since leftovers of the inbox are the sweep's first task. */
export type SweepServices = CallbackServices & Pick<Services, 'budget'>

const AGAIN_MS = 60_000
const SESSIONS_PER_APP = 100
const CALLBACKS_PER_APP = 100
const IDEMPOTENCY_MS = 24 * 3600_000
/** A callback that is being worked on right now is left alone. */
const INBOX_AGE_MS = 10_000
/** Outgoing requests that must be left before another session, or another row of the inbox, is begun. */
const REQUESTS_PER_SESSION = 24
const REQUESTS_PER_CALLBACK = 8
/** Of an app, before its sessions: due apps, inbox, idempotency keys, the claim. */
const REQUESTS_PER_APP = 4

export async function sweep(services: SweepServices): Promise<{ looked: number }> {
  const { uploads, clock } = services
  let looked = 0
  for (const appId of await uploads.appsWithDueWork(clock())) {
    // What is not begun stays due, and oldest: the next run begins with it.
    if (affordable(services, REQUESTS_PER_SESSION, 1) < 1) break
    looked += await sweepInbox(services, appId)
    const now = clock()
    await uploads.forgetIdempotencyKeys(appId, new Date(now.getTime() - IDEMPOTENCY_MS))
    const again = new Date(now.getTime() + AGAIN_MS)
    const most = affordable(services, REQUESTS_PER_SESSION, SESSIONS_PER_APP)
    if (most < 1) break
    for (const session of await uploads.claimDue(appId, now, again, most)) {
      looked++
      await sweepSession(services, session)
    }
  }
  return { looked }
}

/** How many of so many things, at so many requests each, the budget still allows. */
const affordable = ({ budget }: SweepServices, requests: number, most: number): number =>
  Math.min(most, Math.floor((budget.left - REQUESTS_PER_APP) / requests))

async function sweepInbox(services: SweepServices, appId: string): Promise<number> {
  const { callbacks, uploads, clock } = services
  const before = new Date(clock().getTime() - INBOX_AGE_MS)
  const most = affordable(services, REQUESTS_PER_CALLBACK, CALLBACKS_PER_APP)
  const rows = await callbacks.unprocessed(appId, before, most)
  for (const row of rows) {
    const session = await uploads.find(appId, row.uploadId)
    if (session) await processCallback(services, row, session)
  }
  return rows.length
}

/** One session that cannot be looked at must not keep the others from it. */
async function sweepSession(services: SweepServices, session: UploadSession): Promise<void> {
  try {
    await look(services, session)
  } catch (error) {
    const reason = isStoreFailure(error) ? error.code : String(error)
    services.log('warn', 'the sweep could not settle a session', { upload: session.id, reason })
  }
}

async function look(services: SweepServices, session: UploadSession): Promise<void> {
  if (!services.hasStore(session.store)) return
  switch (session.state) {
    case 'initiating':
      return sweepInitiating(services, session)
    case 'open':
      return sweepOpen(services, session)
    case 'completing':
      return sweepCompleting(services, session)
    case 'aborted':
    case 'expired':
    case 'failed':
      await releaseStorage(services, session)
      return
    case 'completed':
      return
    default:
      session.state satisfies never
  }
}

async function endAs(
  services: SweepServices,
  session: UploadSession,
  to: 'expired' | 'failed',
  failure?: string,
): Promise<void> {
  const attempt = session.state === 'completing' ? session.attempt : undefined
  const ended = await endSession(services, session, to, { failure, from: [session.state], attempt })
  if (!ended) return
  await releaseStorage(services, ended)
}

async function sweepInitiating(services: SweepServices, session: UploadSession): Promise<void> {
  if ((session.leaseUntil?.getTime() ?? 0) > services.clock().getTime()) return
  await endAs(services, session, 'failed', 'initiate-incomplete')
}

async function sweepOpen(services: SweepServices, session: UploadSession): Promise<void> {
  const { uploads, clock } = services
  const now = clock()
  const backendCompletes = session.policy.completion === 'backend'
  if (session.direct || (session.method !== 'multipart' && !backendCompletes)) {
    const presence = await lookForObject(services, session)
    if (presence.kind === 'own') return void (await finish(services, session, presence.object))
    if (presence.kind === 'mismatch') {
      return void (await failMismatch(services, session, presence.object))
    }
  }
  if (attemptIsRecent(session, now)) return
  const idleMs = (session.policy.idleSeconds ?? POLICY_DEFAULTS.idleSeconds) * 1000
  const idleEnd = (await lastActivity(services, session)) + idleMs
  if (session.expiresAt <= now || idleEnd <= now.getTime()) {
    return endAs(services, session, 'expired')
  }
  await uploads.scheduleSweep(session, new Date(Math.min(idleEnd, session.expiresAt.getTime())))
}

/** The newest of what we saw of the client and what the store saw, in milliseconds since the epoch. */
async function lastActivity(
  { storeNamed }: SweepServices,
  session: UploadSession,
): Promise<number> {
  let newest = session.activeAt.getTime()
  if (!session.storageUploadId) return newest
  const upload = { key: session.key, storageUploadId: session.storageUploadId }
  try {
    for await (const page of storeNamed(session.store).listParts(upload)) {
      for (const { lastModified } of page) newest = Math.max(newest, lastModified.getTime())
    }
  } catch (failure) {
    // A lost storage upload is healed by the client's next GET; until then the session ages.
    if (!isStoreFailure(failure, 'no-such-upload')) throw failure
  }
  return newest
}

/** The holder of the lease is gone, or left the outcome open. */
async function sweepCompleting(services: SweepServices, session: UploadSession): Promise<void> {
  const { uploads, clock } = services
  const now = clock()
  if (session.leaseUntil && session.leaseUntil > now) return
  const presence = await lookForObject(services, session)
  if (presence.kind === 'own') return void (await finish(services, session, presence.object))
  if (presence.kind === 'mismatch') {
    return void (await failMismatch(services, session, presence.object))
  }
  if (await stillListed(services, session)) {
    if (attemptIsRecent(session, now)) return
    return void (await uploads.reopen(session, { wasAttempt: true }, now))
  }
  const missingFor = session.missingSince ? now.getTime() - session.missingSince.getTime() : 0
  if (!session.missingSince) return uploads.releaseLease(session, { missing: true }, now)
  if (missingFor < AGAIN_MS) return
  if (session.expiresAt > now) {
    return void (await uploads.reopen(session, { wasAttempt: true }, now))
  }
  await endAs(services, session, 'failed', 'storage-upload-lost')
}

async function stillListed(
  { storeNamed }: SweepServices,
  session: UploadSession,
): Promise<boolean> {
  if (!session.storageUploadId) return true // A single PUT can always come again.
  const upload = { key: session.key, storageUploadId: session.storageUploadId }
  try {
    for await (const _ of storeNamed(session.store).listParts(upload)) break
    return true
  } catch (failure) {
    if (isStoreFailure(failure, 'no-such-upload')) return false
    throw failure
  }
}
