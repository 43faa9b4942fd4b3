// Completes an upload for a client that sent every part and left: only by policy, and by the same path as the client's call.
import { Problem } from '../../core/problem.ts'
import type { UploadSession } from '../../core/upload-session.ts'
import { attemptCompletion, type CompleteServices } from '../completion/complete.ts'

/** Returns whether it is completed or being completed. A failed check leaves the session open. */
export async function autoComplete(
  services: CompleteServices,
  session: UploadSession,
): Promise<boolean> {
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
