// Removes what an ended session has in the store, until nothing of it is left; only then is its quota given back.
import { isOwn, withEtag } from '../../core/own-object.ts'
import type { ListedUpload } from '../../core/ports/object-store.ts'
import type { Services } from '../../core/ports/services.ts'
import { isStoreFailure } from '../../core/ports/store-failure.ts'
import type { StoredUpload } from '../../core/stored.ts'
import { arrivalsUntil, nextReleaseLookAt } from '../../core/sweep-rules.ts'
import { isRetained, type UploadSession } from '../../core/upload-session.ts'

/** An abort may leave behind a part that is still being written ("AbortMultipartUpload", OSS), so it is repeated. */
const TRIES = 3
/** A client with credentials may begin any number of uploads: the next try aborts the rest. */
const ORPHANS_A_TRY = 100
/** Another orphan is aborted only if so many outgoing requests are left: for its aborts, and for the calls after them. */
const REQUESTS_AHEAD = 10

/** Returns false if the storage upload may still be there. Throws StoreFailure. */
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
      if (isStoreFailure(failure, 'no-upload')) return true
      throw failure
    }
  }
  return false
}

/**
 * Aborts storage uploads under the session's key that no row names, because the answer to their initiate was lost. Only a key
 * that holds the session's id is surely ours. An upload of another unfinished session of the App is no orphan. Returns those
 * that it aborted. Throws StoreFailure.
 */
export async function abortOrphans(
  services: Services,
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
  for (const orphan of orphans.slice(0, ORPHANS_A_TRY)) {
    // At least one is aborted, so that the caller sees that the store was not clean.
    if (aborted.length && services.budget.left < REQUESTS_AHEAD) break
    services.log('info', 'an orphaned storage upload is aborted', { upload: session.id })
    await abortUntilGone(services, session.store, orphan)
    aborted.push(orphan)
  }
  return aborted
}

/** Deletes an own object that came after the session's end. Returns false if one is still there. Throws StoreFailure. */
async function deleteOwn({ storeNamed }: Services, session: UploadSession): Promise<boolean> {
  const store = storeNamed(session.store)
  const object = await store.head(session.key)
  if (!object || !isOwn(session, object)) return true
  const { etag, versionId } = withEtag(object)
  await store.delete(object.key, { ifMatch: etag, versionId })
  const left = await store.head(session.key)
  return !left || !isOwn(session, left)
}

/**
 * One try; the session that it returns has `storageReleasedAt` if all is done. While something may still arrive, it removes what
 * is there and leaves the quota to a later try. Throws StoreFailure.
 */
export async function tryRelease(
  services: Services,
  session: UploadSession,
  found?: (orphans: readonly ListedUpload[]) => void,
): Promise<UploadSession> {
  if (isRetained(session)) return session
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

/** As tryRelease, but leaves a store that does not answer to the sweep. */
export async function releaseStorage(
  services: Services,
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
