// Ends a session in any way but `completed`, and reads the session again after a lost race.
import { uploadEvent } from '../../core/event.ts'
import type { Services } from '../../core/ports/services.ts'
import type { EndOptions, UploadSession } from '../../core/upload-session.ts'

/** Writes the end and its event in one statement. Returns undefined if the guard refused. */
export async function endSession(
  { uploads, clock, newId, nudgeDeliveries }: Services,
  session: UploadSession,
  to: 'aborted' | 'expired' | 'failed',
  options: EndOptions = {},
): Promise<UploadSession | undefined> {
  const now = clock()
  const after = { ...session, state: to, failure: options.failure, endedAt: now }
  const event = uploadEvent(`upload.${to}`, newId('evt'), now, after)
  const ended = await uploads.end(session, to, options, event, now)
  if (ended) nudgeDeliveries()
  return ended
}

/** The session as others have left it, after a guard refused a change of it. */
export const currentSession = async (
  { uploads }: Pick<Services, 'uploads'>,
  session: UploadSession,
): Promise<UploadSession> => (await uploads.find(session.appId, session.id)) ?? session
