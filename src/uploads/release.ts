// Gives back what an ended session holds in the store, again and again until the store agrees; only then its quota.
import type { Services } from '../core/ports.ts'
import { isStoreFailure } from '../core/store-failure.ts'
import { UPLOAD_TOKEN_SECONDS } from '../core/token.ts'
import { type UploadSession, wasOpen } from '../core/upload-session.ts'
import { isOwn } from './finish.ts'

/** A single PUT may still arrive by a URL that was signed in the last moment of an upload token. */
const LATE_PUT_MS = 15 * 60_000

/** Credentials that a client's own SDK got live so long, and longer than five minutes before it asks again. */
export const CREDENTIAL_SECONDS = 3600

type ReleaseServices = Pick<Services, 'uploads' | 'clock' | 'storeNamed' | 'log'>

function latePutsUntil(session: UploadSession): number {
  const { method, endedAt, expiresAt } = session
  if (!endedAt || !wasOpen(session)) return 0
  if (method === 'credentials') return endedAt.getTime() + CREDENTIAL_SECONDS * 1000
  if (method !== 'single') return 0
  const lastToken = Math.min(endedAt.getTime() + UPLOAD_TOKEN_SECONDS * 1000, expiresAt.getTime())
  return lastToken + LATE_PUT_MS
}

/** Aborts until the store knows nothing of it. Answers false where it may still be there. */
async function abortUntilGone(
  { storeNamed }: ReleaseServices,
  session: UploadSession,
  storageUploadId: string,
): Promise<boolean> {
  const store = storeNamed(session.store)
  for (let tries = 0; tries < 2; tries++) {
    try {
      await store.abort({ key: session.key, storageUploadId })
    } catch (failure) {
      if (isStoreFailure(failure, 'no-such-upload')) return true
      throw failure
    }
  }
  return false
}

/** Storage uploads that an initiate without an answer left behind. Only a key that holds the session's id is surely ours. */
export async function abortOrphans(
  services: ReleaseServices,
  session: UploadSession,
  except?: string,
): Promise<void> {
  if (session.method === 'single' || !session.key.includes(session.id)) return
  const left = await services.storeNamed(session.store).listUploads(session.key)
  for (const { storageUploadId } of left) {
    if (storageUploadId === except) continue
    services.log('info', 'an orphaned storage upload is aborted', { upload: session.id })
    await abortUntilGone(services, session, storageUploadId)
  }
}

/** Answers the session, released or still to be released by the sweep. Failures of the store are the sweep's to repeat. */
export async function releaseStorage(
  services: ReleaseServices,
  session: UploadSession,
): Promise<UploadSession> {
  const { uploads, clock, storeNamed, log } = services
  const store = storeNamed(session.store)
  try {
    if (session.storageUploadId) {
      if (!(await abortUntilGone(services, session, session.storageUploadId))) return session
    }
    await abortOrphans(services, session)
    const object = await store.head(session.key)
    if (object && isOwn(session, object)) {
      await store.delete(object.key, { ifMatch: object.etag })
      return session // looked at once more by the sweep, which then finds nothing
    }
  } catch (failure) {
    if (!isStoreFailure(failure)) throw failure
    log('warn', 'storage is not released yet', { upload: session.id, reason: failure.code })
    return session
  }
  if (latePutsUntil(session) > clock().getTime()) return session
  return (await uploads.releaseStorage(session, clock())) ?? session
}
