// The S3 dialect: how the family spells what every store does, with the limits and features of a product's row.
// Source: Amazon S3 API reference; of other products, see products.ts.
import type { ChecksumAlgorithm, Checksums } from '../../core/checksum.ts'
import { OBJECT_HEADER_RULES } from '../../core/object-headers.ts'
import type { StoreFailureKind } from '../../core/ports/store-failure.ts'
import type { Dialect } from '../rest/dialect.ts'
import { textOf } from '../rest/xml.ts'
import { createOnlyHeaders, objectHeaders, STAMP_HEADER } from './headers.ts'
import type { S3Product } from './products.ts'

const KINDS: ReadonlyMap<string, StoreFailureKind> = new Map([
  ['NoSuchUpload', 'no-upload'],
  ['NoSuchKey', 'no-object'],
  ['PreconditionFailed', 'exists'],
  // The bytes of a part are not the intended ones, so the client has to send it again.
  ['InvalidPart', 'parts-changed'],
  ['InvalidPartOrder', 'parts-changed'],
  ['EntityTooSmall', 'parts-changed'],
  ['BadDigest', 'parts-changed'],
  // Another write of the key was under way. The next look at the key tells how it ended.
  ['ConditionalRequestConflict', 'ambiguous'],
  ['OperationAborted', 'ambiguous'],
  // Answered with 400 or 307, but worth the same request again.
  ['RequestTimeout', 'ambiguous'],
  ['SlowDown', 'ambiguous'],
  ['TooManyRequests', 'ambiguous'],
  ['TemporaryRedirect', 'ambiguous'],
  // Answered with 301 and 501, but final.
  ['PermanentRedirect', 'refused'],
  ['NotImplemented', 'refused'],
])

const ALGORITHMS = [
  ['crc32', 'CRC32'],
  ['crc32c', 'CRC32C'],
  ['crc64nvme', 'CRC64NVME'],
  ['sha256', 'SHA256'],
] as const satisfies ReadonlyArray<readonly [ChecksumAlgorithm, string]>

/** A composite value ends with `-N` and says nothing about the object's bytes, so it is left out. */
function checksums(read: (name: string) => string | null | undefined): Checksums {
  const found: Checksums = {}
  for (const [algorithm, name] of ALGORITHMS) {
    const value = read(name)
    if (value && /^[A-Za-z0-9+/]+={0,2}$/.test(value)) found[algorithm] = value
  }
  return found
}

export function s3Dialect(product: S3Product): Dialect {
  const { createOnlyPut, createOnlyComplete, showsChecksums } = product
  return {
    limits: product.limits,
    objectHeaderRules: OBJECT_HEADER_RULES.s3,
    maxUrlSeconds: { longLived: 604_800, temporary: 43_200 },
    createOnlyPut,
    createOnlyComplete,
    // ListParts reports checksums only of parts that came with one, so no answer counts as incomplete without.
    verifiableChecksums: [],
    encodesListedKeys: product.encodesListedKeys,
    // Ceph.
    missesUploadAsObject: true,
    encodesEveryKey: false,
    plusIsSpace: true,
    deletesConditionally: false,
    headHeaders: showsChecksums ? { 'x-amz-checksum-mode': 'ENABLED' } : {},
    headerNames: {
      stamp: STAMP_HEADER,
      versionId: 'x-amz-version-id',
      copySource: 'x-amz-copy-source',
      copySourceIfMatch: 'x-amz-copy-source-if-match',
      copySourceRange: 'x-amz-copy-source-range',
    },
    objectHeaders: (object) => ({
      ...objectHeaders(object),
      ...(createOnlyPut ? createOnlyHeaders(object) : {}),
    }),
    initiateHeaders: objectHeaders,
    completeHeaders: (object) => (createOnlyComplete ? createOnlyHeaders(object) : {}),
    objectChecksums: (headers) =>
      checksums((name) => headers.get(`x-amz-checksum-${name.toLowerCase()}`)),
    partChecksums: (part) => checksums((name) => textOf(part, `Checksum${name}`)),
    failures: { kindOf: (code) => KINDS.get(code) },
  }
}
