// Completes in the client's place what it has sent whole and left: only by policy, and by the same path as its own call.
import { Problem } from '../../core/problem.ts'
import type { UploadSession } from '../../core/upload-session.ts'
import { attemptCompletion, type CompleteServices } from '../completion/complete.ts'

/** True where it is completed, or being completed. A check that fails leaves the session open. */
export async function autoComplete(
  services: CompleteServices,
  session: UploadSession,
): Promise<boolean> {
  try {
    const reached = await attemptCompletion(services, session, {})
    if (reached?.state === 'completed') {
      services.log('info', 'an upload was completed without its client', { upload: session.id })
    }
    return reached !== undefined
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem
    services.log('warn', 'an upload cannot be completed without its client', {
      upload: session.id,
      reason: problem.code,
    })
    return false
  }
}
