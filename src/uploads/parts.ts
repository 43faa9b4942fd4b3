// Presigns a set of parts from an upload token alone: no database, no store.
import { type Part, partsAt } from '../core/part-plan.ts'
import type { ObjectStore, PartToSign, SignedRequest } from '../core/ports/object-store.ts'
import type { Services } from '../core/ports/services.ts'
import { Problem } from '../core/problem.ts'
import type { UploadToken } from '../core/token.ts'
import { invalid, tokenExpired } from './problems.ts'
import { validityFor } from './validity.ts'

/**
 * A single PUT is create-only and cannot be revoked at the store, and where the length is not bound a URL takes any number of
 * bytes: such URLs never live longer.
 */
const MAX_LOOSE_URL_SECONDS = 15 * 60

export interface PresignPartsInput {
  partNumbers: readonly number[]
  /** Only where the size is unknown: the shorter last part. */
  last?: Part
  ttlSeconds?: number
  /** Part number → checksum of that part. */
  checksums?: Record<string, string>
}

export interface SignedPart extends SignedRequest {
  partNumber: number
  sizeBytes: number
}

export interface SignedParts {
  parts: SignedPart[]
  expiresAt: Date
}

function checkLast({ plan }: UploadToken, { last, partNumbers }: PresignPartsInput): void {
  if (!last) return
  if (plan.sizeBytes !== null) throw invalid('/last', 'is only for uploads of unknown size')
  if (last.sizeBytes > plan.partSizeBytes) {
    throw invalid('/last/sizeBytes', `is more than a part's ${plan.partSizeBytes} bytes`)
  }
  if (!partNumbers.includes(last.partNumber)) {
    throw invalid('/last/partNumber', 'is not among the part numbers asked for')
  }
}

function contentMd5(checksums: Record<string, string>, partNumber: number): string | undefined {
  const checksum = checksums[partNumber]
  if (checksum === undefined) return undefined
  if (!checksum.startsWith('md5:')) {
    throw new Problem('checksum-unsupported', {
      detail: 'This store binds MD5 to a part: send "md5:<base64>", or leave the checksum out.',
    })
  }
  return checksum.slice('md5:'.length)
}

/** Never longer than asked, than the policy says, than the session; a single PUT never longer than its token. */
function limitsOf(token: UploadToken, asked: number | undefined, store: ObjectStore, now: Date) {
  const since = Math.ceil(now.getTime() / 1000)
  const isSingle = token.method === 'single'
  if (isSingle && token.exp <= since) {
    throw tokenExpired()
  }
  return [
    asked ?? token.urlSeconds,
    token.urlSeconds,
    token.end - since,
    isSingle ? token.exp - since : Number.POSITIVE_INFINITY,
    isSingle || !store.bindsLength ? MAX_LOOSE_URL_SECONDS : Number.POSITIVE_INFINITY,
  ]
}

/** Throws `part-out-of-range`, `checksum-unsupported`, `upload-expired`, `unauthenticated` and `invalid-request`. */
export function presignParts(
  { storeNamed, clock }: Pick<Services, 'storeNamed' | 'clock'>,
  token: UploadToken,
  input: PresignPartsInput,
): SignedParts {
  const now = clock()
  const store = storeNamed(token.store)
  if (token.method === 'credentials' || token.method === 'form') {
    throw new Problem('invalid-request', {
      detail: `This upload goes by ${token.method === 'form' ? 'a form' : 'temporary credentials'}: it has no parts to sign.`,
    })
  }
  checkLast(token, input)
  const parts = partsAt(token.plan, input.partNumbers, input.last).map(
    (part): PartToSign => ({
      ...part,
      contentMd5: contentMd5(input.checksums ?? {}, part.partNumber),
    }),
  )
  const validity = validityFor(store, now, ...limitsOf(token, input.ttlSeconds, store, now))
  const signed = token.object
    ? parts.map((part) => store.presignPut(token.object!, part, validity))
    : store.presignParts({ key: token.key, storageUploadId: token.storage ?? '' }, parts, validity)
  return {
    parts: signed.map((request, index) => ({
      partNumber: parts[index]!.partNumber,
      ...request,
      sizeBytes: parts[index]!.sizeBytes,
    })),
    expiresAt: new Date(now.getTime() + validity.seconds * 1000),
  }
}
