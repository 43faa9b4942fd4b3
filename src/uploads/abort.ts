// Aborts a session and releases its storage. A completed object is never touched.
import type { Services } from '../core/ports/services.ts'
import { attemptIsRecent, type UploadSession } from '../core/upload-session.ts'
import { endSession } from './ending/end.ts'
import { releaseStorage } from './ending/release.ts'
import { notOpen } from './problems.ts'

/** Idempotent. Throws `upload-completing`, `upload-not-open` and `upload-expired`. */
export async function abortUpload(
  services: Services,
  session: UploadSession,
): Promise<UploadSession> {
  const { uploads, clock } = services
  const now = clock()
  if (session.state === 'aborted') return session
  const canEnd = session.state === 'open' || session.state === 'initiating'
  if (!canEnd || attemptIsRecent(session, now)) throw notOpen(session, now)
  const aborted = await endSession(services, session, 'aborted')
  if (!aborted) {
    const current = await uploads.find(session.appId, session.id)
    if (current?.state === 'aborted') return current
    throw notOpen(current ?? session, now)
  }
  return releaseStorage(services, aborted)
}
