// Presigns a set of parts from the claims of an upload token alone: no database, no store.
import { type Part, type PartPlan, partRange, partsAt } from '../core/part-plan.ts'
import type { ObjectStore, PartToSign, SignedRequest } from '../core/ports/object-store.ts'
import type { Services } from '../core/ports/services.ts'
import type { Credential } from '../core/principal.ts'
import { invalidField, Problem } from '../core/problem.ts'
import { noSuchUpload } from '../core/reach.ts'
import type { UploadToken } from '../core/token.ts'
import { tokenExpired } from './problems.ts'
import { validityFor } from './validity.ts'

/**
 * For URLs that could do harm if they lived longer: a single PUT cannot be revoked at the store, and a URL whose signature does
 * not bind the length takes any number of bytes.
 */
const MAX_LOOSE_URL_SECONDS = 15 * 60

export interface PresignPartsInput {
  /** Either these, or `count` numbers from `from` on, as far as the plan goes. */
  partNumbers?: readonly number[]
  from?: number
  count?: number
  /** The shorter last part of an upload of unknown size. */
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

const numbersOf = (plan: PartPlan, { partNumbers, from = 1, count = 1 }: PresignPartsInput) =>
  partNumbers ? [...new Set(partNumbers)] : partRange(plan, from, count)

function checkLast(
  { plan }: UploadToken,
  partNumbers: readonly number[],
  last: Part | undefined,
): void {
  if (!last) return
  if (plan.sizeBytes !== null) throw invalidField('/last', 'is only for uploads of unknown size')
  if (last.sizeBytes > plan.partSizeBytes) {
    throw invalidField('/last/sizeBytes', `is more than a part's ${plan.partSizeBytes} bytes`)
  }
  if (!partNumbers.includes(last.partNumber)) {
    throw invalidField('/last/partNumber', 'is not among the part numbers asked for')
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

/** A URL outlives neither the request's limit, nor the policy's, nor the session; that of a single PUT not even its token. */
function limitsOf(token: UploadToken, wanted: number | undefined, store: ObjectStore, now: Date) {
  const since = Math.ceil(now.getTime() / 1000)
  const isSingle = token.method === 'single'
  if (isSingle && token.exp <= since) {
    throw tokenExpired()
  }
  return [
    wanted ?? token.urlSeconds,
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
  const partNumbers = numbersOf(token.plan, input)
  checkLast(token, partNumbers, input.last)
  const parts = partsAt(token.plan, partNumbers, input.last).map(
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

/** Presigns parts for the holder of an upload token. Throws `upload-not-found` for the id of another upload. */
export function presignPartsFor(
  services: Pick<Services, 'storeNamed' | 'clock'>,
  { token }: Extract<Credential, { kind: 'upload' }>,
  uploadId: string,
  input: PresignPartsInput,
): SignedParts {
  if (token.upload !== uploadId) throw noSuchUpload()
  return presignParts(services, token, input)
}
