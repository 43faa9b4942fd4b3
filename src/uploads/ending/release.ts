// Gives back what an ended session holds in the store, again and again until the store agrees; only then its quota.
import { isOwn, withEtag } from '../../core/own-object.ts'
import type { ListedUpload } from '../../core/ports/object-store.ts'
import type { Services } from '../../core/ports/services.ts'
import { isStoreFailure } from '../../core/ports/store-failure.ts'
import type { StoredUpload } from '../../core/stored.ts'
import { arrivalsUntil, nextReleaseLookAt } from '../../core/sweep-rules.ts'
import { isKept, type UploadSession } from '../../core/upload-session.ts'

export type ReleaseServices = Pick<Services, 'uploads' | 'clock' | 'storeNamed' | 'budget' | 'log'>

/** An abort that meets a part still being written may leave it behind ("AbortMultipartUpload", OSS): so once more. */
const TRIES = 3
/** A client with credentials may have begun any number of uploads: the rest is aborted by later looks. */
const ORPHANS_A_LOOK = 100
/** Outgoing requests that must be left before another orphan is aborted: its aborts, and what ends the look. */
const REQUESTS_AHEAD = 10

/** Aborts until the store knows nothing of it. Answers false where it may still be there. Throws StoreFailure. */
export async function abortUntilGone(
  { storeNamed }: Pick<Services, 'storeNamed'>,
  storeName: string,
  upload: StoredUpload,
): Promise<boolean> {
  const store = storeNamed(storeName)
  for (let tries = 0; tries < TRIES; tries++) {
    try {
      await store.abort({ key: upload.key, storageUploadId: upload.storageUploadId })
    } catch (failure) {
      if (isStoreFailure(failure, 'no-such-upload')) return true
      throw failure
    }
  }
  return false
}

/**
 * Storage uploads under the session's exact key that no row names: what an initiate without an answer left behind. Only a key
 * that holds the session's own id is surely ours; and what another living session of the App has begun there is not an
 * orphan, whoever chose the key. Answers what it aborted. Throws StoreFailure.
 */
export async function abortOrphans(
  services: ReleaseServices,
  session: UploadSession,
): Promise<ListedUpload[]> {
  if (session.method === 'single' || session.method === 'form' || !session.key.includes(session.id))
    return []
  const listed = await services.storeNamed(session.store).listUploads(session.key)
  if (!listed.length) return []
  const others = (await services.uploads.findOwners(session.appId, session.store, listed)).filter(
    ({ id }) => id !== session.id,
  )
  const orphans = listed.filter(
    ({ storageUploadId }) => !others.some((other) => other.storageUploadId === storageUploadId),
  )
  const aborted: ListedUpload[] = []
  for (const orphan of orphans.slice(0, ORPHANS_A_LOOK)) {
    // Never none: what was aborted says that the store was not clean yet.
    if (aborted.length && services.budget.left < REQUESTS_AHEAD) break
    services.log('info', 'an orphaned storage upload is aborted', { upload: session.id })
    await abortUntilGone(services, session.store, orphan)
    aborted.push(orphan)
  }
  return aborted
}

/** The session's own object, where it came after the end. Answers false where one is still there. Throws StoreFailure. */
async function deleteOwn(
  { storeNamed }: ReleaseServices,
  session: UploadSession,
): Promise<boolean> {
  const store = storeNamed(session.store)
  const object = await store.head(session.key)
  if (!object || !isOwn(session, object)) return true
  const { etag, versionId } = withEtag(object)
  await store.delete(object.key, { ifMatch: etag, versionId })
  const left = await store.head(session.key)
  return !left || !isOwn(session, left)
}

/**
 * One try. Answers the session, released or still to be released. A look that comes before everything has arrived that can
 * arrive clears the store and settles nothing. Throws StoreFailure.
 */
export async function tryRelease(
  services: ReleaseServices,
  session: UploadSession,
  found?: (orphans: readonly ListedUpload[]) => void,
): Promise<UploadSession> {
  if (isKept(session)) return session
  const { uploads, clock } = services
  const { key, storageUploadId } = session
  if (
    storageUploadId &&
    !(await abortUntilGone(services, session.store, { key, storageUploadId }))
  ) {
    return session
  }
  const orphans = await abortOrphans(services, session)
  found?.(orphans)
  const clean = await deleteOwn(services, session)
  if (orphans.length || !clean) return session
  const now = clock()
  if (arrivalsUntil(session) > now.getTime()) {
    await uploads.scheduleSweep(session, nextReleaseLookAt(session, now))
    return session
  }
  return (await uploads.releaseStorage(session, now)) ?? session
}

/** As tryRelease; where the store does not answer, the sweep tries again. */
export async function releaseStorage(
  services: ReleaseServices,
  session: UploadSession,
): Promise<UploadSession> {
  try {
    return await tryRelease(services, session)
  } catch (failure) {
    if (!isStoreFailure(failure)) throw failure
    services.log('warn', 'storage is not released yet', {
      upload: session.id,
      reason: failure.code,
    })
    return session
  }
}
