// The only way to `completed`: the session's own object is really in the store, and one statement says so.
import { uploadEvent } from '../core/event.ts'
import type { Services, StoredObject } from '../core/ports.ts'
import type { CompletedObject, UploadSession } from '../core/upload-session.ts'
import { type EndServices, endSession } from './end.ts'

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
  if (size === undefined && object.sizeBytes > session.reservedBytes) {
    return { kind: 'mismatch', object, reason: 'is larger than what was reserved' }
  }
  const differs = (crc64: string | undefined) =>
    crc64 !== undefined && object.crc64 !== undefined && object.crc64 !== crc64
  if (differs(declaredCrc64(session))) {
    return { kind: 'mismatch', object, reason: 'has another CRC64 than declared' }
  }
  if (differs(session.listedCrc64)) {
    return { kind: 'mismatch', object, reason: 'is not made of the parts that were checked' }
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

function completedObject(session: UploadSession, stored: StoredObject): CompletedObject {
  return {
    key: stored.key,
    sizeBytes: stored.sizeBytes,
    etag: stored.etag,
    versionId: stored.versionId,
    checksums: stored.crc64 ? { crc64: stored.crc64 } : {},
    declared: session.checksum,
  }
}

/**
 * State, quota, log, event and deliveries in one statement. Whoever loses the race gets the winner's result,
 * which need not be `completed`.
 */
export async function finish(
  services: Pick<Services, 'uploads' | 'clock' | 'newId' | 'nudgeDeliveries'>,
  session: UploadSession,
  stored: StoredObject,
): Promise<UploadSession> {
  const { uploads, clock, newId, nudgeDeliveries } = services
  const now = clock()
  const object = completedObject(session, stored)
  const after = { ...session, state: 'completed' as const, object, endedAt: now }
  const event = uploadEvent('upload.completed', newId('evt'), now, after)
  const finished = await uploads.finish(session, object, event, now)
  if (!finished) return (await uploads.find(session.appId, session.id)) ?? session
  nudgeDeliveries()
  return finished
}

/** An own object that is not what was declared: the session fails and the object goes. Completed ones are never touched. */
export async function failMismatch(
  services: EndServices & Pick<Services, 'storeNamed'>,
  session: UploadSession,
  stored: StoredObject,
): Promise<UploadSession> {
  const { uploads, storeNamed } = services
  const failed = await endSession(services, session, 'failed', {
    failure: 'object-mismatch',
    from: [session.state],
    attempt: session.attempt,
  })
  if (!failed) return (await uploads.find(session.appId, session.id)) ?? session
  await storeNamed(session.store).delete(stored.key, { ifMatch: stored.etag })
  return failed
}
