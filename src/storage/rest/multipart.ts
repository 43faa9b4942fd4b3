// Multipart uploads at OSS, by our own signed calls ("Multipart upload", API reference).
import { percentEncodePath } from '../../bytes/encoding.ts'
import type { ObjectStore } from '../../core/ports/object-store.ts'
import { StoreFailure } from '../../core/ports/store-failure.ts'
import { completeHeaders, forbidOverwrite, initiateHeaders, quoted } from '../oss/headers.ts'
import type { SendToOss } from './call.ts'
import { expectXml } from './send.ts'
import { escapeXml, textOf } from './xml.ts'

type Multipart = Pick<ObjectStore, 'initiate' | 'copyPart' | 'complete' | 'abort'>

export function ossMultipart(send: SendToOss, { bucket }: { bucket: string }): Multipart {
  return {
    async initiate(object) {
      const answer = await send({
        method: 'POST',
        key: object.key,
        query: [
          ['encoding-type', 'url'],
          ['uploads', ''],
        ],
        headers: { ...initiateHeaders(object), ...forbidOverwrite(object) },
      })
      const id = textOf(expectXml(answer, 'InitiateMultipartUploadResult'), 'UploadId')
      if (!id) throw new StoreFailure('ambiguous', 'UnreadableAnswer', answer.status)
      return id
    },

    async copyPart(upload, partNumber, { key, etag, first, last }) {
      const answer = await send({
        method: 'PUT',
        key: upload.key,
        query: [
          ['partNumber', String(partNumber)],
          ['uploadId', upload.storageUploadId],
        ],
        headers: {
          'x-oss-copy-source': `/${bucket}/${percentEncodePath(key)}`,
          'x-oss-copy-source-if-match': quoted(etag),
          'x-oss-copy-source-range': `bytes=${first}-${last}`,
        },
      })
      expectXml(answer, 'CopyPartResult')
    },

    async complete(upload, parts, object) {
      const listed = parts.map(
        ({ partNumber, etag }) =>
          `<Part><PartNumber>${partNumber}</PartNumber><ETag>${escapeXml(quoted(etag))}</ETag></Part>`,
      )
      const answer = await send(
        {
          method: 'POST',
          key: upload.key,
          query: [
            ['encoding-type', 'url'],
            ['uploadId', upload.storageUploadId],
          ],
          headers: {
            'content-type': 'application/xml',
            ...completeHeaders(object),
            ...forbidOverwrite(object),
          },
        },
        `<CompleteMultipartUpload>${listed.join('')}</CompleteMultipartUpload>`,
      )
      // A 200 may still carry an error, and a body that ends early proves nothing.
      expectXml(answer, 'CompleteMultipartUploadResult')
    },

    async abort(upload) {
      await send({
        method: 'DELETE',
        key: upload.key,
        query: [['uploadId', upload.storageUploadId]],
      })
    },
  }
}
