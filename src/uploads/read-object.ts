// Reading back: a short-lived signed GET, only while HEAD shows the very object that completed the session. Under a key that
// several sessions share, whatever lies there now may be another subject's.
import { isRecorded } from '../core/own-object.ts'
import type { Services } from '../core/ports/services.ts'
import { isStoreFailure } from '../core/ports/store-failure.ts'
import { Problem } from '../core/problem.ts'
import type { UploadSession } from '../core/upload-session.ts'
import { refusal } from './problems.ts'
import { validityFor } from './validity.ts'

const URL_SECONDS = 300

/** Answers the URL. Throws `upload-not-open`, `object-mismatch`, and `storage-unavailable` where the store does not tell. */
export async function signObject(
  { storeNamed, clock }: Pick<Services, 'storeNamed' | 'clock'>,
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
  try {
    if (isRecorded(session, await store.head(key))) {
      return store.presignGet(key, filename, validityFor(store, clock(), URL_SECONDS)).url
    }
  } catch (failure) {
    throw isStoreFailure(failure) ? refusal(failure) : failure
  }
  throw new Problem('object-mismatch', {
    detail: 'The object of this upload is gone or was replaced since. Upload the file again.',
  })
}
