// Cancels a session and gives back what it holds. A completed object is never touched.
import type { Services } from '../core/ports/services.ts'
import { Problem } from '../core/problem.ts'
import { ATTEMPT_WINDOW_MS, attemptIsRecent, type UploadSession } from '../core/upload-session.ts'
import { endSession } from './ending/end.ts'
import { releaseStorage } from './ending/release.ts'

/** Says why a session cannot be changed any more, or not now. */
export function notOpen(session: UploadSession, now: Date): Problem {
  if (session.state === 'completing' || session.state === 'initiating') {
    return new Problem('upload-completing', {
      detail: 'The upload is being completed. Ask for its status and try again.',
      retryAfterSeconds: 5,
      members: { state: session.state },
    })
  }
  if (session.state === 'open') {
    const until = (session.attemptAt?.getTime() ?? 0) + ATTEMPT_WINDOW_MS
    return new Problem('upload-completing', {
      detail:
        'The store may still be completing this upload. Ask for its status, or try again later.',
      retryAfterSeconds: Math.max(1, Math.ceil((until - now.getTime()) / 1000)),
      members: { state: session.state },
    })
  }
  const code = session.state === 'expired' ? 'upload-expired' : 'upload-not-open'
  return new Problem(code, {
    detail: `The upload is ${session.state}. Create a new one.`,
    members: { state: session.state, ...(session.failure ? { failure: session.failure } : {}) },
  })
}

/** Throws `upload-completing`, `upload-not-open` and `upload-expired`. Repeated, it answers the same. */
export async function abortUpload(
  services: Pick<
    Services,
    'uploads' | 'clock' | 'newId' | 'nudgeDeliveries' | 'storeNamed' | 'budget' | 'log'
  >,
  session: UploadSession,
): Promise<UploadSession> {
  const { uploads, clock } = services
  const now = clock()
  if (session.state === 'aborted') return session
  if (session.state !== 'open' && session.state !== 'initiating') throw notOpen(session, now)
  if (attemptIsRecent(session, now)) throw notOpen(session, now)
  const aborted = await endSession(services, session, 'aborted')
  if (!aborted) {
    const current = await uploads.find(session.appId, session.id)
    if (current?.state === 'aborted') return current
    throw notOpen(current ?? session, now)
  }
  return releaseStorage(services, aborted)
}
