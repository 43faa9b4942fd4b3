// Whose object stands under a session's key: HEAD, the stamp, the expected size and checksum decide.
import type { Services, StoredObject } from '../core/ports.ts'
import type { UploadSession } from '../core/upload-session.ts'

export type Presence =
  /** The session's object: our stamp, the expected size and checksum. */
  | { kind: 'own'; object: StoredObject }
  /** Our stamp, but not what was declared. */
  | { kind: 'mismatch'; object: StoredObject; reason: string }
  /** Somebody else's object under this key: never finished, failed or deleted by us. */
  | { kind: 'foreign' }
  | { kind: 'absent' }

export const expectedSize = ({ plan, finalSizeBytes }: UploadSession): number | undefined =>
  plan.sizeBytes ?? finalSizeBytes

const declaredCrc64 = (session: UploadSession): string | undefined =>
  session.checksum?.startsWith('crc64:')
    ? BigInt(session.checksum.slice('crc64:'.length)).toString()
    : undefined

const differs = (object: StoredObject, crc64: string | undefined) =>
  crc64 !== undefined && object.crc64 !== undefined && object.crc64 !== crc64

/** What was declared of this object; nothing where it was said of other bytes, by an attempt that did not make it. */
export const declaredOf = (session: UploadSession, object: StoredObject): string | undefined =>
  differs(object, declaredCrc64(session)) ? undefined : session.checksum

/**
 * The stamp, which only we can sign. A client with credentials sets none: there the exact key, which holds the
 * session's id, stands in for it.
 */
export const isOwn = (session: UploadSession, object: StoredObject): boolean =>
  session.method === 'credentials'
    ? session.key.includes(session.id) && object.key === session.key
    : object.uploadId === session.id

function compare(session: UploadSession, object: StoredObject | undefined): Presence {
  if (!object) return { kind: 'absent' }
  if (!isOwn(session, object)) return { kind: 'foreign' }
  const size = expectedSize(session)
  if (size !== undefined && object.sizeBytes !== size) {
    return {
      kind: 'mismatch',
      object,
      reason: `has ${object.sizeBytes} bytes instead of ${size}`,
    }
  }
  if (object.sizeBytes > session.reservedBytes) {
    return { kind: 'mismatch', object, reason: 'is larger than what was reserved' }
  }
  // Parts that were checked were what was declared then. What is declared since, and not checked yet, is of another attempt.
  if (session.listedCrc64 !== undefined) {
    if (!differs(object, session.listedCrc64)) return { kind: 'own', object }
    return { kind: 'mismatch', object, reason: 'is not made of the parts that were checked' }
  }
  if (differs(object, declaredCrc64(session))) {
    return { kind: 'mismatch', object, reason: 'has another CRC64 than declared' }
  }
  return { kind: 'own', object }
}

/** Looks with HEAD. Throws StoreFailure where the store does not answer. */
export async function lookForObject(
  { storeNamed }: Pick<Services, 'storeNamed'>,
  session: UploadSession,
): Promise<Presence> {
  return compare(session, await storeNamed(session.store).head(session.key))
}
