// Finds the session of an id for a credential. To a credential that does not reach it, a session does not exist.
import type { Services } from '../core/ports/services.ts'
import type { Credential } from '../core/principal.ts'
import { Problem } from '../core/problem.ts'
import { grantOf, noSuchUpload, reaches } from '../core/reach.ts'
import type { UploadSession } from '../core/upload-session.ts'

/** Notes that the client is active. Throws `upload-not-found` and `grant-revoked`. */
export async function findUpload(
  { uploads, clock }: Pick<Services, 'uploads' | 'clock'>,
  credential: Credential,
  id: string,
): Promise<UploadSession> {
  const now = clock()
  const session = await uploads.touch(credential.appId, id, now, grantOf(credential))
  if (!session || !reaches(credential, session, now)) throw noSuchUpload()
  return session
}

/** Finds the session that this credential may complete. Throws `completion-token-invalid` and `forbidden`, too. */
export async function findToComplete(
  { uploads }: Pick<Services, 'uploads'>,
  credential: Extract<Credential, { kind: 'completion' | 'api-key' }>,
  id: string,
): Promise<UploadSession> {
  if (credential.kind === 'completion' && credential.token.upload !== id) {
    throw new Problem('completion-token-invalid', {
      detail: 'This completion token belongs to another upload.',
    })
  }
  const session = await uploads.find(credential.appId, id, grantOf(credential))
  if (!session) throw noSuchUpload()
  if (credential.kind === 'completion' && session.policy.completion === 'backend') {
    throw new Problem('forbidden', { detail: 'Only the app’s backend completes this upload.' })
  }
  return session
}
