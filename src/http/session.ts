// The session that a path names, for whoever may see it; to everybody else it does not exist.
import { type Credential, mayManage } from '../core/principal.ts'
import { Problem } from '../core/problem.ts'
import type { UploadSession } from '../core/upload-session.ts'
import type { Request } from './environment.ts'

export const noSuchUpload = () =>
  new Problem('upload-not-found', {
    detail: 'There is no such upload for this credential. Check the id and whose it is.',
  })

/** The session of the path, for its owner, the app's own key or the holder of its upload token. */
export async function sessionFor(c: Request, credential: Credential): Promise<UploadSession> {
  const id = c.req.param('id') ?? ''
  const { uploads, clock } = c.get('services')
  if (credential.kind === 'upload' && credential.token.upload !== id) throw noSuchUpload()
  const session = await uploads.touch(credential.appId, id, clock())
  if (!session) throw noSuchUpload()
  if (credential.kind !== 'upload' && !mayManage(credential, session)) throw noSuchUpload()
  return session
}
