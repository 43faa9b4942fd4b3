// The only way to `completed`: the session's own object is really in the store, and one statement says so.
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
import { endSession } from './end.ts'
import { declaredOf } from './own-object.ts'
import { type ReleaseServices, releaseStorage } from './release.ts'

/** Who finishes need not be who made the object: of a direct completion only what binds the session is known. */
const declaredBy = (session: UploadSession, byOwnAttempt: boolean) =>
  byOwnAttempt || !session.direct ? declarationOf(session).checksum : session.checksum

/** An object of parts has what we began it with; what goes up whole may have more than its policy says. */
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
    checksums: stored.crc64 ? { crc64: stored.crc64 } : {},
    declared: declaredOf(declared, stored),
    headers: besidePolicy(session, stored),
  }
}

export type FinishServices = ReleaseServices & Pick<Services, 'newId' | 'nudgeDeliveries'>

/**
 * State, quota, log, event and deliveries in one statement. Whoever loses the race gets the winner's result. Where that is not
 * `completed`, the object came too late and goes: its storage may have been released before it was there.
 */
export async function finish(
  services: FinishServices,
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
  const current = (await uploads.find(session.appId, session.id)) ?? session
  const cameTooLate = hasEnded(current.state) && current.state !== 'completed'
  return cameTooLate ? releaseStorage(services, current) : current
}

/**
 * An own object that is not what it has to be: the session fails and the object goes. Completed ones are never touched. Answers
 * the session as it is, where it has changed meanwhile.
 */
export async function failMismatch(
  services: FinishServices,
  session: UploadSession,
  { crc64 }: MeasuredObject,
): Promise<UploadSession> {
  const failed = await endSession(services, session, 'failed', {
    failure: 'object-mismatch',
    from: [session.state],
    attempt: session.attempt,
    unlessChecked: crc64,
  })
  if (!failed) return (await services.uploads.find(session.appId, session.id)) ?? session
  return releaseStorage(services, failed)
}
