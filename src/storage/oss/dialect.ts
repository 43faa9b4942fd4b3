// The OSS dialect: its limits, and how it spells what every store does.
// Source: Alibaba Cloud OSS, API reference; "Limits".
import type { Checksums } from '../../core/checksum.ts'
import { OBJECT_HEADER_RULES } from '../../core/object-headers.ts'
import { GiB, KiB } from '../../core/part-plan.ts'
import type { StoreFailureKind } from '../../core/ports/store-failure.ts'
import { isTransient } from '../aliyun/api.ts'
import type { Dialect } from '../rest/dialect.ts'
import { textOf } from '../rest/xml.ts'
import {
  completeHeaders,
  createOnlyHeaders,
  initiateHeaders,
  objectHeaders,
  STAMP_HEADER,
} from './headers.ts'

const KINDS: ReadonlyMap<string, StoreFailureKind> = new Map([
  ['NoSuchUpload', 'no-upload'],
  ['NoSuchKey', 'no-object'],
  ['FileAlreadyExists', 'exists'],
  ['PreconditionFailed', 'exists'],
  // The bytes of a part are not the intended ones, so the client has to send it again.
  ['InvalidPart', 'parts-changed'],
  ['InvalidPartOrder', 'parts-changed'],
  ['FilePartNotExist', 'parts-changed'],
  ['EntityTooSmall', 'parts-changed'],
  ['InvalidDigest', 'parts-changed'],
  ['InvalidCRC64', 'parts-changed'],
])

/** CRC64 is an unsigned decimal. One that is unreadable is left out. */
const checksums = (crc64: string | null | undefined): Checksums =>
  crc64 && /^\d{1,20}$/.test(crc64) ? { crc64: BigInt(crc64).toString() } : {}

export const ossDialect: Dialect = {
  limits: {
    minPartSizeBytes: 100 * KiB,
    maxPartSizeBytes: 5 * GiB,
    maxPartCount: 10_000,
    maxObjectSizeBytes: 10_000 * 5 * GiB,
  },
  objectHeaderRules: OBJECT_HEADER_RULES.oss,
  maxUrlSeconds: { longLived: 604_800, temporary: 43_200 },
  createOnlyPut: true,
  createOnlyComplete: true,
  verifiableChecksums: ['crc64'],
  encodesListedKeys: true,
  missesUploadAsObject: false,
  encodesEveryKey: true,
  plusIsSpace: false,
  deletesConditionally: true,
  headHeaders: {},
  headerNames: {
    stamp: STAMP_HEADER,
    versionId: 'x-oss-version-id',
    copySource: 'x-oss-copy-source',
    copySourceIfMatch: 'x-oss-copy-source-if-match',
    copySourceRange: 'x-oss-copy-source-range',
  },
  objectHeaders: (object) => ({ ...objectHeaders(object), ...createOnlyHeaders(object) }),
  initiateHeaders: (object) => ({ ...initiateHeaders(object), ...createOnlyHeaders(object) }),
  completeHeaders: (object) => ({ ...completeHeaders(object), ...createOnlyHeaders(object) }),
  objectChecksums: (headers) => checksums(headers.get('x-oss-hash-crc64ecma')),
  partChecksums: (part) => checksums(textOf(part, 'HashCrc64ecma')),
  failures: {
    errorHeader: 'x-oss-err',
    kindOf: (code) => (isTransient(code) ? 'ambiguous' : KINDS.get(code)),
  },
}
