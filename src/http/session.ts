// The session that a path names, for whoever may see it; to everybody else it does not exist.
import type { Credential } from '../core/principal.ts'
import { grantOf, noSuchUpload, reaches } from '../core/reach.ts'
import type { UploadSession } from '../core/upload-session.ts'
import type { Request } from './environment.ts'

/** The session of the path, where the credential reaches it. Throws `grant-revoked`. */
export async function sessionFor(c: Request, credential: Credential): Promise<UploadSession> {
  const { uploads, clock } = c.get('services')
  const now = clock()
  const id = c.req.param('id') ?? ''
  const session = await uploads.touch(credential.appId, id, now, grantOf(credential))
  if (!session || !reaches(credential, session, now)) throw noSuchUpload()
  return session
}
