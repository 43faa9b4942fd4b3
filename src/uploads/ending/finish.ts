// The only way to `completed`: the session's own object is in the store, and one statement records it.
import { uploadEvent } from '../../core/event.ts'
import type { ShownHeaders } from '../../core/object-headers.ts'
import type { Services } from '../../core/ports/services.ts'
import type { MeasuredObject } from '../../core/stored.ts'
import {
  type CompletedObject,
  declarationOf,
  hasEnded,
  type UploadSession,
} from '../../core/upload-session.ts'
import { currentSession, endSession } from './end.ts'
import { declaredOf } from './own-object.ts'
import { releaseStorage } from './release.ts'

/** Nobody knows which attempt a direct completion's object belongs to, so only the binding checksum was declared for it. */
const declaredBy = (session: UploadSession, byOwnAttempt: boolean) =>
  byOwnAttempt || !session.direct ? declarationOf(session).checksum : session.checksum

/** Headers beside the policy's. An object of parts has exactly those that we began it with. */
function besidePolicy(
  { method, policy }: UploadSession,
  { headers = {} }: MeasuredObject,
): CompletedObject['headers'] {
  if (method === 'multipart') return undefined
  const { cacheControl, contentDisposition } = policy.object ?? {}
  const set: ShownHeaders = { cacheControl, contentDisposition }
  const more = Object.entries(headers).filter(
    ([name, value]) => value !== undefined && value !== set[name as keyof ShownHeaders],
  )
  return more.length ? Object.fromEntries(more) : undefined
}

function completedObject(
  session: UploadSession,
  stored: MeasuredObject,
  declared: string | undefined,
): CompletedObject {
  return {
    key: stored.key,
    sizeBytes: stored.sizeBytes,
    etag: stored.etag,
    versionId: stored.versionId,
    checksums: stored.checksums,
    declared: declaredOf(declared, stored),
    headers: besidePolicy(session, stored),
  }
}

/**
 * Records state, quota, log, event and deliveries in one statement. Returns the winner's session if another caller was faster.
 * If that one has ended otherwise, the object came too late and is removed here, because its release may be over.
 */
export async function finish(
  services: Services,
  session: UploadSession,
  stored: MeasuredObject,
  byOwnAttempt = false,
): Promise<UploadSession> {
  const { uploads, clock, newId, nudgeDeliveries } = services
  const now = clock()
  const object = completedObject(session, stored, declaredBy(session, byOwnAttempt))
  const after = { ...session, state: 'completed' as const, object, endedAt: now }
  const event = uploadEvent('upload.completed', newId('evt'), now, after)
  const finished = await uploads.finish(session, object, event, now)
  if (finished) {
    nudgeDeliveries()
    return finished
  }
  const current = await currentSession(services, session)
  const cameTooLate = hasEnded(current.state) && current.state !== 'completed'
  return cameTooLate ? releaseStorage(services, current) : current
}

/**
 * Fails the session and removes its own object, which is not the expected one. Returns the current session if it has changed:
 * an object that completed it is never touched.
 */
export async function failMismatch(
  services: Services,
  session: UploadSession,
  { checksums }: MeasuredObject,
): Promise<UploadSession> {
  const failed = await endSession(services, session, 'failed', {
    failure: 'object-mismatch',
    from: [session.state],
    attempt: session.attempt,
    unlessChecked: checksums,
  })
  return failed ? releaseStorage(services, failed) : currentSession(services, session)
}
