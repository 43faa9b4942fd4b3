// Whose object HEAD shows. A value that decides and that the answer lacks is unknown: that is as good as no answer.
import type { Checksums } from './checksum.ts'
import type { ObjectStore } from './ports/object-store.ts'
import { StoreFailure } from './ports/store-failure.ts'
import type { StoredObject } from './stored.ts'
import type { UploadSession } from './upload-session.ts'

/** Nothing is finished, failed or deleted on an answer that lacks a value. */
export const incompleteAnswer = () => new StoreFailure('ambiguous', 'IncompleteAnswer', 200)

/** Whether a checksum is missing that this store reports of everything stored. */
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

/** Whether we may have had the store make the object, of parts or as an empty one: then it may be ours without a stamp. */
function mayHaveBeenMade(session: UploadSession): boolean {
  const { method, plan, object, attemptAt, attemptDeclared } = session
  if (attemptAt === undefined) return false
  const sizeBytes = plan.sizeBytes ?? object?.sizeBytes ?? attemptDeclared?.sizeBytes
  return method === 'multipart' || sizeBytes === 0
}

/**
 * By the stamp, which only we can sign. A client with credentials sets none: there the exact key, which holds the session's id,
 * stands in for it. Throws StoreFailure where the stamp is absent and the object may be ours.
 */
export function isOwn(session: UploadSession, object: StoredObject): boolean {
  if (session.method === 'credentials') {
    return session.key.includes(session.id) && object.key === session.key
  }
  if (object.uploadId === undefined && mayHaveBeenMade(session)) throw incompleteAnswer()
  return object.uploadId === session.id
}

/** Whether HEAD shows the very object that completed the session. Throws StoreFailure where the answer does not tell. */
export function isRecorded(session: UploadSession, found: StoredObject | undefined): boolean {
  const { object } = session
  if (!object || !found || !isOwn(session, found)) return false
  const { etag, sizeBytes } = withEtag(found)
  if (sizeBytes === undefined) throw incompleteAnswer()
  return etag === object.etag && sizeBytes === object.sizeBytes
}
