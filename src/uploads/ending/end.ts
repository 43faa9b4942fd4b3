// Ends a session in any way but `completed`: the guarded transition with its event, in one statement.
import { uploadEvent } from '../../core/event.ts'
import type { Services } from '../../core/ports/services.ts'
import type { EndOptions, UploadSession } from '../../core/upload-session.ts'

export type EndServices = Pick<Services, 'uploads' | 'clock' | 'newId' | 'nudgeDeliveries'>

/** Answers the session as it ended, or undefined where the guard refused. */
export async function endSession(
  { uploads, clock, newId, nudgeDeliveries }: EndServices,
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
