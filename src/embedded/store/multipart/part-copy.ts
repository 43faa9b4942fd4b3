// UploadPartCopy: a part made of an existing object. The bytes are copied, so that neither object depends on the other.
// Source: Alibaba Cloud OSS, "UploadPartCopy".
import { MAX_BODY_BYTES } from '../body.ts'
import { checkConditions } from '../object/conditions.ts'
import { contentRange, readCopyRange } from '../object/range.ts'
import { openObject } from '../object/read.ts'
import { invalidArgument, refusal } from '../refusal.ts'
import type { Handler } from '../services.ts'
import { type Address, percentDecode, type WireHeaders } from '../wire.ts'
import { element, wholeSeconds, xmlReply } from '../xml.ts'
import { commitPart, readPartNumber, uploadIdOf } from './part.ts'

const CONDITIONS = ['if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since']

/** `PUT /key?partNumber=N&uploadId=ID` with `x-oss-copy-source` */
export const uploadPartCopy: Handler = async (request, services) => {
  const { bucket, disk } = services
  const { key, query, headers } = request
  const partNumber = readPartNumber(query)
  if (request.contentLength) {
    throw invalidArgument('x-oss-copy-source', '', 'A copy has no request body.')
  }
  const source = copySource(headers)
  if (source.bucket !== bucket) {
    throw refusal('NoSuchBucket', { elements: { BucketName: source.bucket } })
  }
  disk.findUpload(key, uploadIdOf(request))
  const { manifest, end } = await openObject(disk, source.key)
  try {
    checkConditions(manifest, sourceConditions(headers))
    const { pieces, sizeBytes } = manifest
    const range = readCopyRange(headers['x-oss-copy-source-range'], sizeBytes)
    const { first, last } = range ?? { first: 0, last: sizeBytes - 1 }
    const bytes = disk.bodies.read(pieces, first, last)
    const stored = await disk.bodies.receive(bytes, MAX_BODY_BYTES)
    const { lastModified } = await commitPart(services, request, partNumber, stored)
    const etag = `"${stored.md5}"`
    return xmlReply(
      element('CopyPartResult', [
        element('LastModified', wholeSeconds(lastModified)),
        element('ETag', etag),
      ]),
      { etag, ...(range ? { 'content-range': contentRange(range, sizeBytes) } : {}) },
    )
  } finally {
    await end()
  }
}

/** Reads `x-oss-copy-source`: `/bucket/key`, percent-encoded. */
export function copySource(headers: WireHeaders): Address {
  const value = headers['x-oss-copy-source'] ?? ''
  const [path = '', version] = value.split('?')
  if (version !== undefined) {
    throw refusal('NotImplemented', { elements: { Header: 'x-oss-copy-source' } })
  }
  const [, bucket = '', key = ''] = /^\/?([^/]+)\/(.+)$/.exec(percentDecode(path) ?? '') ?? []
  if (key) return { bucket, key }
  throw invalidArgument('x-oss-copy-source', value, 'The copy source is not /bucket/key.')
}

/** The conditions on the source, under the names of a GET. */
export const sourceConditions = (headers: WireHeaders): WireHeaders =>
  Object.fromEntries(
    CONDITIONS.flatMap((name) => {
      const value = headers[`x-oss-copy-source-${name}`]
      return value === undefined ? [] : [[name, value]]
    }),
  )
