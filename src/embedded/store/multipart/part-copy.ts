// UploadPartCopy: a part made of an existing object. The bytes are copied, so that neither object depends on the other.
// Source: Alibaba Cloud OSS, "UploadPartCopy".
import { MAX_BODY_BYTES } from '../body.ts'
import { NO_UPLOAD_FOR_PART } from '../disk/index.ts'
import { openSource } from '../object/copy-source.ts'
import { contentRange, readCopyRange } from '../object/range.ts'
import type { Handler } from '../services.ts'
import { element, wholeSeconds, xmlReply } from '../xml.ts'
import { commitPart, readPartNumber, uploadIdOf } from './part.ts'

/** `PUT /key?partNumber=N&uploadId=ID` with `x-oss-copy-source` */
export const uploadPartCopy: Handler = async (request, services) => {
  const { disk } = services
  const { key, query, headers } = request
  const partNumber = readPartNumber(query)
  disk.findUpload(key, uploadIdOf(request), NO_UPLOAD_FOR_PART)
  const { manifest, end } = await openSource(request, services)
  try {
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
