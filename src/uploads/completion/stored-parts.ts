// Lists the stored parts page by page, combines their checksums, and compares them with the plan.
import {
  CHECKSUMS_OF_NO_BYTES,
  type Checksums,
  combineChecksums,
  contradiction,
  readChecksum,
} from '../../core/checksum.ts'
import { incompleteAnswer, lacksChecksum } from '../../core/own-object.ts'
import { type PartPlan, partDifferences } from '../../core/part-plan.ts'
import type { ObjectStore } from '../../core/ports/object-store.ts'
import type { Services } from '../../core/ports/services.ts'
import { isStoreFailure } from '../../core/ports/store-failure.ts'
import { Problem } from '../../core/problem.ts'
import type { StoredPart, StoredUpload } from '../../core/stored.ts'
import type { StoredSoFar } from '../../core/sweep-rules.ts'
import type { UploadSession } from '../../core/upload-session.ts'

/** A completion needs no more of a part, and may hold ten thousand. */
export type ListedPart = Pick<StoredPart, 'partNumber' | 'sizeBytes' | 'etag'>

export interface ListedParts {
  parts: ListedPart[]
  sizeBytes: number
  /** Of all parts in order, by the algorithms that the store reports of each part. */
  checksums: Checksums
  /** The newest part's LastModified. */
  newestAt?: Date
}

export const NO_PARTS: ListedParts = { parts: [], sizeBytes: 0, checksums: CHECKSUMS_OF_NO_BYTES }

/** Throws StoreFailure. */
export async function listAllParts(store: ObjectStore, upload: StoredUpload): Promise<ListedParts> {
  const parts: ListedPart[] = []
  let sizeBytes = 0
  let newest = 0
  let checksums = CHECKSUMS_OF_NO_BYTES
  for await (const page of store.listParts(upload)) {
    for (const part of page) {
      parts.push({ partNumber: part.partNumber, sizeBytes: part.sizeBytes, etag: part.etag })
      sizeBytes += part.sizeBytes
      newest = Math.max(newest, part.lastModified.getTime())
      checksums = combineChecksums(checksums, part.checksums, part.sizeBytes)
    }
  }
  const newestAt = newest ? new Date(newest) : undefined
  return { parts, sizeBytes, checksums, newestAt }
}

/** As listAllParts. Throws StoreFailure also if a part lacks a checksum that this store reports of every part. */
export async function listToCheck(store: ObjectStore, upload: StoredUpload): Promise<ListedParts> {
  const listed = await listAllParts(store, upload)
  if (lacksChecksum(store, listed.checksums)) throw incompleteAnswer()
  return listed
}

/** A problem lists at most so many parts of each kind. */
const MAX_NAMED = 100

/** Throws `parts-mismatch` or `checksum-mismatch` if these parts would not make the planned object. */
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
        missing: missing.slice(0, MAX_NAMED),
        unexpected: unexpected.slice(0, MAX_NAMED),
        wrongSize: wrongSize
          .slice(0, MAX_NAMED)
          .map(({ partNumber, sizeBytes: stored }) => ({ partNumber, sizeBytes: stored })),
        storedBytes: listed.sizeBytes,
        sizeBytes,
      },
    })
  }
  const stored = contradiction(readChecksum(checksum), listed.checksums)
  if (stored) {
    throw new Problem('checksum-mismatch', {
      detail: 'The stored parts have another checksum than declared. Upload the file again.',
      members: { declared: checksum, stored },
    })
  }
}

/** A client's own SDK may begin any number of uploads under its key: only so many are listed. */
const MAX_UPLOADS = 50
/** Another upload is listed only if so many outgoing requests are left: for its pages, and for the calls after them. */
const REQUESTS_AHEAD = 14

/** Returns undefined if the store no longer knows the storage upload. Throws StoreFailure. */
export async function storedSoFar(
  services: Services,
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
  { storeNamed, clock, budget }: Services,
  session: UploadSession,
): Promise<StoredSoFar> {
  const store = storeNamed(session.store)
  let sizeBytes = 0
  let newest = 0
  let count = 0
  for (const upload of await store.listUploads(session.key)) {
    // An upload that was not listed may be active.
    if (count === MAX_UPLOADS || (count && budget.left < REQUESTS_AHEAD)) {
      return { parts: [], sizeBytes, newestAt: clock() }
    }
    const listed = await listAllParts(store, upload)
    count++
    sizeBytes += listed.sizeBytes
    newest = Math.max(newest, upload.initiatedAt.getTime(), listed.newestAt?.getTime() ?? 0)
  }
  return { parts: [], sizeBytes, newestAt: newest ? new Date(newest) : undefined }
}
