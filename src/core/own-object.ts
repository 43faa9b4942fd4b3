// Tells from HEAD whether an object is a session's own. An answer that lacks a deciding value counts as no answer.
import type { Checksums } from './checksum.ts'
import type { ObjectStore } from './ports/object-store.ts'
import { StoreFailure } from './ports/store-failure.ts'
import type { StoredObject } from './stored.ts'
import type { UploadSession } from './upload-session.ts'

/** Nothing may be finished, failed or deleted on such an answer. */
export const incompleteAnswer = () => new StoreFailure('ambiguous', 'IncompleteAnswer', 200)

/** Whether a checksum is missing that this store always reports. */
export const lacksChecksum = (
  { verifiableChecksums }: Pick<ObjectStore, 'verifiableChecksums'>,
  checksums: Checksums,
): boolean => verifiableChecksums.some((algorithm) => checksums[algorithm] === undefined)

/** Throws StoreFailure if the answer does not say which bytes the object has. */
export function withEtag(object: StoredObject): StoredObject & { etag: string } {
  const { etag } = object
  if (etag === undefined) throw incompleteAnswer()
  return { ...object, etag }
}

/** Whether we may have asked the store to make the object. If so, an answer without the stamp does not prove it foreign. */
function mayHaveBeenMade(session: UploadSession): boolean {
  const { method, plan, object, attemptAt, attemptDeclared } = session
  if (attemptAt === undefined) return false
  const sizeBytes = plan.sizeBytes ?? object?.sizeBytes ?? attemptDeclared?.sizeBytes
  return method === 'multipart' || sizeBytes === 0
}

/**
 * Decides by the stamp, which only we can sign. A client with credentials sets none, so its key, which contains the session's
 * id, decides. Throws StoreFailure if the stamp is absent and the object may be ours.
 */
export function isOwn(session: UploadSession, object: StoredObject): boolean {
  if (session.method === 'credentials') {
    return session.key.includes(session.id) && object.key === session.key
  }
  if (object.uploadId === undefined && mayHaveBeenMade(session)) throw incompleteAnswer()
  return object.uploadId === session.id
}

/** Whether HEAD shows the object that completed the session. Throws StoreFailure if the answer does not say. */
export function isRecorded(session: UploadSession, found: StoredObject | undefined): boolean {
  const { object } = session
  if (!object || !found || !isOwn(session, found)) return false
  const { etag, sizeBytes } = withEtag(found)
  if (sizeBytes === undefined) throw incompleteAnswer()
  return etag === object.etag && sizeBytes === object.sizeBytes
}
