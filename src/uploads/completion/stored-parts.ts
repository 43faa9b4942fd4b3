// Compares what the store lists with the plan, page by page, and folds the parts' CRC64 on the way.
import { combineCrc64 } from '../../bytes/crc64.ts'
import { incompleteAnswer } from '../../core/own-object.ts'
import { type PartPlan, partDifferences } from '../../core/part-plan.ts'
import type { ObjectStore } from '../../core/ports/object-store.ts'
import type { Services } from '../../core/ports/services.ts'
import { isStoreFailure } from '../../core/ports/store-failure.ts'
import { Problem } from '../../core/problem.ts'
import type { StoredPart, StoredUpload } from '../../core/stored.ts'
import type { StoredSoFar } from '../../core/sweep-rules.ts'
import type { UploadSession } from '../../core/upload-session.ts'

/** What completing needs to remember of a part. */
export type ListedPart = Pick<StoredPart, 'partNumber' | 'sizeBytes' | 'etag'>

export interface ListedParts {
  parts: ListedPart[]
  sizeBytes: number
  /** CRC64 of all parts in order, unsigned decimal; absent where the store did not give each. */
  crc64?: string
  /** The newest part's LastModified. */
  newestAt?: Date
}

/** Throws StoreFailure. */
export async function listAllParts(store: ObjectStore, upload: StoredUpload): Promise<ListedParts> {
  const parts: ListedPart[] = []
  let sizeBytes = 0
  let newest = 0
  let folded: bigint | undefined = 0n
  for await (const page of store.listParts(upload)) {
    for (const part of page) {
      parts.push({ partNumber: part.partNumber, sizeBytes: part.sizeBytes, etag: part.etag })
      sizeBytes += part.sizeBytes
      newest = Math.max(newest, part.lastModified.getTime())
      folded =
        folded === undefined || part.crc64 === undefined
          ? undefined
          : combineCrc64(folded, BigInt(part.crc64), part.sizeBytes)
    }
  }
  const newestAt = newest ? new Date(newest) : undefined
  return { parts, sizeBytes, crc64: folded?.toString(), newestAt }
}

/** As listAllParts, for a judgement: throws StoreFailure, too, where the CRC64 is missing that this store tells of each part. */
export async function listToCheck(store: ObjectStore, upload: StoredUpload): Promise<ListedParts> {
  const listed = await listAllParts(store, upload)
  const lacksCrc64 = listed.crc64 === undefined && store.verifiableChecksums.includes('crc64')
  if (lacksCrc64) throw incompleteAnswer()
  return listed
}

/** Problems name at most this many parts. */
const MOST_NAMED = 100

/** Throws `parts-mismatch` or `checksum-mismatch` where completing would make anything but the planned object. */
export function checkParts(
  plan: PartPlan,
  sizeBytes: number,
  listed: ListedParts,
  checksum: string | undefined,
): void {
  const { missing, unexpected, wrongSize } = partDifferences(plan, sizeBytes, listed.parts)
  if (missing.length || unexpected.length || wrongSize.length) {
    throw new Problem('parts-mismatch', {
      detail:
        missing.length && !wrongSize.length
          ? `${missing.length} parts are not stored. Upload them and complete again.`
          : 'The stored parts are not what was planned. Upload the named parts again, then complete.',
      members: {
        missing: missing.slice(0, MOST_NAMED),
        unexpected: unexpected.slice(0, MOST_NAMED),
        wrongSize: wrongSize
          .slice(0, MOST_NAMED)
          .map(({ partNumber, sizeBytes: stored }) => ({ partNumber, sizeBytes: stored })),
        storedBytes: listed.sizeBytes,
        sizeBytes,
      },
    })
  }
  if (!checksum?.startsWith('crc64:') || listed.crc64 === undefined) return
  if (BigInt(checksum.slice('crc64:'.length)).toString() !== listed.crc64) {
    throw new Problem('checksum-mismatch', {
      detail: 'The stored parts have another CRC64 than declared. Upload the file again.',
      members: { declared: checksum, stored: `crc64:${listed.crc64}` },
    })
  }
}

/** Uploads that a client's own SDK may have begun under its key and that are looked into. */
const MOST_UPLOADS = 50
/** Outgoing requests that must be left before another is looked into: its pages, and what ends the look. */
const REQUESTS_AHEAD = 14

export type LookServices = Pick<Services, 'storeNamed' | 'clock' | 'budget'>

/** What the store holds of a session so far; undefined where it no longer knows the storage upload. Throws StoreFailure. */
export async function storedSoFar(
  services: LookServices,
  session: UploadSession,
): Promise<StoredSoFar | undefined> {
  const { key, storageUploadId, method } = session
  const store = services.storeNamed(session.store)
  try {
    if (storageUploadId) return await listAllParts(store, { key, storageUploadId })
  } catch (failure) {
    // A lost storage upload is healed by the client's next GET; until then the session ages.
    if (isStoreFailure(failure, 'no-upload')) return undefined
    throw failure
  }
  return method === 'credentials' ? storedByOwnSdk(services, session) : { parts: [], sizeBytes: 0 }
}

async function storedByOwnSdk(
  { storeNamed, clock, budget }: LookServices,
  session: UploadSession,
): Promise<StoredSoFar> {
  const store = storeNamed(session.store)
  let sizeBytes = 0
  let newest = 0
  let looked = 0
  for (const upload of await store.listUploads(session.key)) {
    // What is not looked into may be active.
    if (looked === MOST_UPLOADS || (looked && budget.left < REQUESTS_AHEAD)) {
      return { parts: [], sizeBytes, newestAt: clock() }
    }
    const listed = await listAllParts(store, upload)
    looked++
    sizeBytes += listed.sizeBytes
    newest = Math.max(newest, upload.initiatedAt.getTime(), listed.newestAt?.getTime() ?? 0)
  }
  return { parts: [], sizeBytes, newestAt: newest ? new Date(newest) : undefined }
}
