// DeleteObject.
import { refusal } from '../refusal.ts'
import type { Handler } from '../services.ts'
import { matchesEtag } from './conditions.ts'

/** `DELETE /key`: 204 whether the object existed or not. Throws PreconditionFailed if `If-Match` names another version. */
export const deleteObject: Handler = async (request, { disk }) => {
  const ifMatch = request.headers['if-match']
  await disk.deleteObject(request.key, (manifest) => {
    if (manifest && ifMatch !== undefined && !matchesEtag(ifMatch, manifest.etag)) {
      throw refusal('PreconditionFailed')
    }
  })
  return { status: 204 }
}
