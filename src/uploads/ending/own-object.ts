// Whose object stands under a session's key: HEAD, the stamp, the expected size and checksum decide.
import { incompleteAnswer, isOwn, withEtag } from '../../core/own-object.ts'
import type { ObjectStore } from '../../core/ports/object-store.ts'
import type { Services } from '../../core/ports/services.ts'
import type { MeasuredObject, StoredObject } from '../../core/stored.ts'
import { declarationOf, type UploadSession } from '../../core/upload-session.ts'

export type Presence =
  /** The session's object: our stamp, the expected size and checksum. */
  | { kind: 'own'; object: MeasuredObject }
  /** Our stamp, but not what was declared. */
  | { kind: 'mismatch'; object: MeasuredObject; reason: string }
  /** Somebody else's object under this key: never finished, failed or deleted by us. */
  | { kind: 'foreign' }
  | { kind: 'absent' }

export const expectedSize = (session: UploadSession): number | undefined =>
  session.plan.sizeBytes ?? declarationOf(session).sizeBytes

/** Unsigned decimal, as stores give it. */
const crc64Of = (checksum: string | undefined): string | undefined =>
  checksum?.startsWith('crc64:') ? BigInt(checksum.slice('crc64:'.length)).toString() : undefined

const differs = (object: StoredObject, crc64: string | undefined) =>
  crc64 !== undefined && object.crc64 !== undefined && object.crc64 !== crc64

/** What is declared of this object; nothing where that was said of other bytes. */
export const declaredOf = (
  checksum: string | undefined,
  object: StoredObject,
): string | undefined => (differs(object, crc64Of(checksum)) ? undefined : checksum)

/** What an attempt had the store make, as it listed the parts. */
export interface Made {
  sizeBytes: number
  crc64?: string
}

interface Expected {
  sizeBytes?: number
  /** Any of these; undefined where every one will do. */
  crc64?: string[]
}

/**
 * Of parts the store makes an object only for us, and only after a check: by size and declaration for a relayed completion, by
 * the CRC64 that was checked for a direct one, whose parts may be written over. What else is declared is of some attempt, not of
 * this object. What goes up whole is compared with what binds the session; what an attempt declares refuses that attempt alone.
 */
function expected(session: UploadSession, made: Made | undefined): Expected {
  const only = (checksum: string | undefined) => {
    const crc64 = crc64Of(checksum)
    return crc64 === undefined ? undefined : [crc64]
  }
  if (made && session.method === 'multipart') {
    const { sizeBytes, crc64 } = made
    return {
      sizeBytes,
      crc64: crc64 === undefined ? only(declarationOf(session).checksum) : [crc64],
    }
  }
  const checked = session.direct ? session.checkedCrc64 : undefined
  return {
    sizeBytes: session.plan.sizeBytes ?? undefined,
    crc64: checked ?? only(session.checksum),
  }
}

const tellsCrc64 = ({ verifiableChecksums }: ObjectStore) => verifiableChecksums.includes('crc64')

/** Throws StoreFailure where the answer lacks a value that this store tells of every object. */
function measured(store: ObjectStore, found: StoredObject): MeasuredObject {
  const { sizeBytes, ...object } = withEtag(found)
  const lacksCrc64 = object.crc64 === undefined && tellsCrc64(store)
  if (sizeBytes === undefined || lacksCrc64) throw incompleteAnswer()
  return { ...object, sizeBytes }
}

/** No policy sets an encoding, and PUTs do not sign its absence: readers would get other bytes than were declared. */
const encodingOf = ({ method }: UploadSession, { contentEncoding }: StoredObject) =>
  method === 'multipart' || contentEncoding?.toLowerCase() === 'identity'
    ? undefined
    : contentEncoding

function compare(
  store: ObjectStore,
  session: UploadSession,
  found: StoredObject | undefined,
  made: Made | undefined,
): Presence {
  if (!found) return { kind: 'absent' }
  if (!isOwn(session, found)) return { kind: 'foreign' }
  const object = measured(store, found)
  const { sizeBytes, crc64 } = expected(session, made)
  const mismatch = (reason: string): Presence => ({ kind: 'mismatch', object, reason })
  if (sizeBytes !== undefined && object.sizeBytes !== sizeBytes) {
    // Of parts we make objects without an encoding: a proxy has compressed the answer, and it is the proxy's length.
    if (session.method === 'multipart' && object.contentEncoding) throw incompleteAnswer()
    return mismatch(`has ${object.sizeBytes} bytes instead of ${sizeBytes}`)
  }
  const encoding = encodingOf(session, object)
  if (encoding) {
    return mismatch(`has the Content-Encoding ${encoding}, which the policy does not set`)
  }
  if (object.sizeBytes > session.reservedBytes) return mismatch('is larger than what was reserved')
  if (crc64?.every((one) => differs(object, one))) {
    return mismatch('has another CRC64 than was declared or checked')
  }
  return { kind: 'own', object }
}

/**
 * Looks with HEAD for the object that was `made`, or any that may be the session's. Throws StoreFailure, also where the answer
 * lacks a value: whoever asks treats that as no answer.
 */
export async function lookForObject(
  { storeNamed }: Pick<Services, 'storeNamed'>,
  session: UploadSession,
  made?: Made,
): Promise<Presence> {
  const store = storeNamed(session.store)
  return compare(store, session, await store.head(session.key), made)
}
