// UploadPartCopy: a part out of an object that is there already. The bytes are copied, so that neither object depends on
// the other. Source: Alibaba Cloud OSS, "UploadPartCopy".
import { MAX_BODY_BYTES } from './body.ts'
import { readPartNumber, storePart } from './multipart.ts'
import { checkConditions } from './object-headers.ts'
import { invalidArgument, refusal } from './refusal.ts'
import type { Handler } from './services.ts'
import { type Address, percentDecode } from './wire.ts'
import { element, xmlReply } from './xml.ts'

type Headers = Readonly<Record<string, string>>

const CONDITIONS = ['if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since']

/** `PUT /key?partNumber=N&uploadId=ID` with `x-oss-copy-source` */
export const uploadPartCopy: Handler = async (request, { bucket, disk, clock }) => {
  const { key, query, headers } = request
  const partNumber = readPartNumber(query.get('partNumber'))
  const uploadId = query.get('uploadId') ?? ''
  if (request.contentLength) {
    throw invalidArgument('x-oss-copy-source', '', 'A copy has no request body.')
  }
  const source = copySource(headers)
  if (source.bucket !== bucket) {
    throw refusal('NoSuchBucket', { elements: { BucketName: source.bucket } })
  }
  disk.findUpload(key, uploadId)
  const opened = await disk.openObject(source.key)
  if (!opened) throw refusal('NoSuchKey', { ec: '0026-00000001', elements: { Key: source.key } })
  const { manifest, end } = opened
  try {
    checkConditions(manifest, conditions(headers))
    const { sizeBytes } = manifest
    const range = readCopyRange(headers['x-oss-copy-source-range'], sizeBytes)
    const { first, last } = range ?? { first: 0, last: sizeBytes - 1 }
    const bytes = disk.bodies.read(manifest.pieces, first, last)
    const stored = await disk.bodies.receive(bytes, MAX_BODY_BYTES)
    const lastModified = clock().toISOString()
    await storePart(disk, request, { ...stored, partNumber, lastModified })
    return xmlReply(
      element('CopyPartResult', [
        element('LastModified', lastModified.replace(/\.\d{3}Z$/, '.000Z')),
        element('ETag', `"${stored.md5}"`),
      ]),
      {
        etag: `"${stored.md5}"`,
        ...(range ? { 'content-range': `bytes ${first}-${last}/${sizeBytes}` } : {}),
      },
    )
  } finally {
    await end()
  }
}

/** Bucket and key of `x-oss-copy-source`, which is `/bucket/key`, percent-encoded. */
export function copySource(headers: Headers): Address {
  const value = headers['x-oss-copy-source'] ?? ''
  const [path = '', version] = value.split('?')
  if (version !== undefined) {
    throw refusal('NotImplemented', { elements: { Header: 'x-oss-copy-source' } })
  }
  const [, bucket = '', key = ''] = /^\/?([^/]+)\/(.+)$/.exec(percentDecode(path) ?? '') ?? []
  if (key) return { bucket, key }
  throw invalidArgument('x-oss-copy-source', value, 'The copy source is not /bucket/key.')
}

/** Undefined, which means the whole object, where there is no range or not a valid one: OSS does not refuse it. */
function readCopyRange(header: string | undefined, sizeBytes: number) {
  const [, from, to] = /^bytes=(\d{1,15})-(\d{1,15})$/.exec(header ?? '') ?? []
  const [first, last] = [Number(from), Number(to)]
  return first <= last && last < sizeBytes ? { first, last } : undefined
}

/** The conditions on the source, under the names that they have for a GET. */
const conditions = (headers: Headers): Record<string, string> =>
  Object.fromEntries(
    CONDITIONS.flatMap((name) => {
      const value = headers[`x-oss-copy-source-${name}`]
      return value === undefined ? [] : [[name, value]]
    }),
  )
