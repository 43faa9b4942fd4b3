// Compares what the store lists with the plan, page by page, and folds the parts' CRC64 on the way.
import { combineCrc64 } from '../core/crc64.ts'
import { type PartPlan, partDifferences } from '../core/part-plan.ts'
import type { ObjectStore, StoredPart, StoredUpload } from '../core/ports.ts'
import { Problem } from '../core/problem.ts'

/** What completing needs to remember of a part. */
export type ListedPart = Pick<StoredPart, 'partNumber' | 'sizeBytes' | 'etag'>

export interface ListedParts {
  parts: ListedPart[]
  sizeBytes: number
  /** CRC64 of all parts in order, unsigned decimal; absent where the store did not give each. */
  crc64?: string
}

/** Throws StoreFailure. */
export async function listAllParts(store: ObjectStore, upload: StoredUpload): Promise<ListedParts> {
  const parts: ListedPart[] = []
  let sizeBytes = 0
  let folded: bigint | undefined = 0n
  for await (const page of store.listParts(upload)) {
    for (const part of page) {
      parts.push({ partNumber: part.partNumber, sizeBytes: part.sizeBytes, etag: part.etag })
      sizeBytes += part.sizeBytes
      folded =
        folded === undefined || part.crc64 === undefined
          ? undefined
          : combineCrc64(folded, BigInt(part.crc64), part.sizeBytes)
    }
  }
  return { parts, sizeBytes, crc64: folded?.toString() }
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
