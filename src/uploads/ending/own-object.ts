// Checks by HEAD whether the object under a session's key is its own: by the stamp, the size and the checksum.
import { type Checksums, contradiction, readChecksum } from '../../core/checksum.ts'
import { incompleteAnswer, isOwn, lacksChecksum, withEtag } from '../../core/own-object.ts'
import type { ObjectStore } from '../../core/ports/object-store.ts'
import type { Services } from '../../core/ports/services.ts'
import type { MeasuredObject, StoredObject } from '../../core/stored.ts'
import { declarationOf, type UploadSession } from '../../core/upload-session.ts'

export type ObjectCheck =
  /** The session's object: our stamp, the expected size and checksum. */
  | { kind: 'own'; object: MeasuredObject }
  /** Our stamp, but another size or checksum, or an encoding. */
  | { kind: 'mismatch'; object: MeasuredObject; reason: string }
  /** Somebody else's object under this key. We never finish, fail or delete it. */
  | { kind: 'foreign' }
  | { kind: 'absent' }

export const expectedSize = (session: UploadSession): number | undefined =>
  session.plan.sizeBytes ?? declarationOf(session).sizeBytes

/** Drops a declared checksum that this object contradicts: it was declared for other bytes. */
export const declaredOf = (
  checksum: string | undefined,
  object: StoredObject,
): string | undefined =>
  contradiction(readChecksum(checksum), object.checksums) ? undefined : checksum

/** The parts that an attempt listed before the store made the object. */
export interface Made {
  sizeBytes: number
  checksums: Checksums
}

interface Expected {
  sizeBytes?: number
  /** The object must agree with one of these. */
  checksums: Checksums[]
}

/**
 * The size and checksum that bind the session. An attempt that had the object made expects the parts that it listed. With a
 * direct completion, whose parts may be written over, the object must have a checksum of parts that were checked.
 */
function expected(session: UploadSession, made: Made | undefined): Expected {
  if (made && session.method === 'multipart') {
    const declared = readChecksum(declarationOf(session).checksum)
    return { sizeBytes: made.sizeBytes, checksums: [{ ...declared, ...made.checksums }] }
  }
  const checked = session.direct ? session.checkedChecksums : undefined
  return {
    sizeBytes: session.plan.sizeBytes ?? undefined,
    checksums: (checked ?? [session.checksum]).map(readChecksum),
  }
}

/** Throws StoreFailure if the answer lacks a value that this store reports of every object. */
function measured(store: ObjectStore, found: StoredObject): MeasuredObject {
  const { sizeBytes, ...object } = withEtag(found)
  const isIncomplete = lacksChecksum(store, object.checksums)
  if (sizeBytes === undefined || isIncomplete) throw incompleteAnswer()
  return { ...object, sizeBytes }
}

/** A signed PUT admits an encoding, though no policy sets one: readers would get other bytes than were declared. */
const encodingOf = ({ method }: UploadSession, { contentEncoding }: StoredObject) =>
  method === 'multipart' || contentEncoding?.toLowerCase() === 'identity'
    ? undefined
    : contentEncoding

function compare(
  store: ObjectStore,
  session: UploadSession,
  found: StoredObject | undefined,
  made: Made | undefined,
): ObjectCheck {
  if (!found) return { kind: 'absent' }
  if (!isOwn(session, found)) return { kind: 'foreign' }
  const object = measured(store, found)
  const { sizeBytes, checksums } = expected(session, made)
  const mismatch = (reason: string): ObjectCheck => ({ kind: 'mismatch', object, reason })
  if (sizeBytes !== undefined && object.sizeBytes !== sizeBytes) {
    // We make objects of parts without an encoding: a proxy has compressed this answer, and the length is the proxy's.
    if (session.method === 'multipart' && object.contentEncoding) throw incompleteAnswer()
    return mismatch(`has ${object.sizeBytes} bytes instead of ${sizeBytes}`)
  }
  const encoding = encodingOf(session, object)
  if (encoding) {
    return mismatch(`has the Content-Encoding ${encoding}, which the policy does not set`)
  }
  if (object.sizeBytes > session.reservedBytes) return mismatch('is larger than what was reserved')
  if (checksums.every((one) => contradiction(one, object.checksums))) {
    return mismatch('has another checksum than was declared or checked')
  }
  return { kind: 'own', object }
}

/**
 * Checks the object by HEAD, against the parts it was `made` of if the caller knows them. Throws StoreFailure, also if the answer
 * lacks a value: that is as good as no answer.
 */
export async function checkObject(
  { storeNamed }: Pick<Services, 'storeNamed'>,
  session: UploadSession,
  made?: Made,
): Promise<ObjectCheck> {
  const store = storeNamed(session.store)
  return compare(store, session, await store.head(session.key), made)
}
