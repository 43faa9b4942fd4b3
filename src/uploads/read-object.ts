// Signs a short-lived GET of a completed object, if HEAD still shows the very object that completed the session. Sessions can
// share a key, so the object there now may be another subject's.
import { isRecorded } from '../core/own-object.ts'
import type { Services } from '../core/ports/services.ts'
import type { Credential } from '../core/principal.ts'
import { Problem } from '../core/problem.ts'
import { mayReadObject } from '../core/reach.ts'
import type { UploadSession } from '../core/upload-session.ts'
import { findUpload } from './find.ts'
import { throwRefusal } from './problems.ts'
import { validityFor } from './validity.ts'

const URL_SECONDS = 300

/**
 * The URL of the object. Throws `upload-not-found`, `grant-revoked`, `forbidden`, `upload-not-open`, `object-mismatch`, and
 * `storage-unavailable` where the store does not answer.
 */
export async function readObject(
  services: Services,
  credential: Credential,
  uploadId: string,
): Promise<string> {
  const session = await findUpload(services, credential, uploadId)
  if (!mayReadObject(credential, session)) {
    throw new Problem('forbidden', {
      detail:
        'A grant or an upload token reads an object only where the policy says readBack and the grant created the upload.',
    })
  }
  return signObject(services, session).catch(throwRefusal)
}

async function signObject(
  { storeNamed, clock }: Services,
  session: UploadSession,
): Promise<string> {
  const { state, key, filename } = session
  if (state !== 'completed') {
    throw new Problem('upload-not-open', {
      detail: `There is no object yet: the upload is ${state}.`,
      members: { state },
    })
  }
  const store = storeNamed(session.store)
  if (isRecorded(session, await store.head(key))) {
    return store.presignGet(key, filename, validityFor(store, clock(), URL_SECONDS)).url
  }
  throw new Problem('object-mismatch', {
    detail: 'The object of this upload is gone or was replaced since. Upload the file again.',
  })
}
