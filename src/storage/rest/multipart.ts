// Initiates, completes and aborts multipart uploads, and copies parts.
import { percentEncodePath } from '../../bytes/encoding.ts'
import type { ObjectStore } from '../../core/ports/object-store.ts'
import { isStoreFailure, StoreFailure } from '../../core/ports/store-failure.ts'
import type { Caller, StoreCall } from './call.ts'
import type { Dialect } from './dialect.ts'
import { encodedKeys, quoted } from './headers.ts'
import { refuseOverwrite } from './objects.ts'
import { lostUpload } from './send.ts'
import { escapeXml, textOf } from './xml.ts'

type Multipart = Pick<ObjectStore, 'initiate' | 'copyPart' | 'complete' | 'abort'>

export function restMultipart(
  { send, read }: Caller,
  dialect: Dialect,
  bucket: string,
  objects: Pick<ObjectStore, 'head'>,
): Multipart {
  const { headerNames, initiateHeaders, completeHeaders } = dialect
  return {
    async initiate(object) {
      const { answer, node } = await read(
        {
          method: 'POST',
          key: object.key,
          query: [...encodedKeys(dialect), ['uploads', '']],
          headers: initiateHeaders(object),
        },
        'InitiateMultipartUploadResult',
      )
      const id = textOf(node, 'UploadId')
      if (!id) throw new StoreFailure('ambiguous', 'UnreadableAnswer', answer.status)
      return id
    },

    async copyPart(upload, partNumber, { key, etag, first, last }) {
      const call: StoreCall = {
        method: 'PUT',
        key: upload.key,
        query: [
          ['partNumber', String(partNumber)],
          ['uploadId', upload.storageUploadId],
        ],
        headers: {
          [headerNames.copySource]: `/${bucket}/${percentEncodePath(key)}`,
          [headerNames.copySourceIfMatch]: quoted(etag),
          [headerNames.copySourceRange]: `bytes=${first}-${last}`,
        },
      }
      try {
        await read(call, 'CopyPartResult')
      } catch (failure) {
        throw isStoreFailure(failure) ? copyFailure(failure, dialect) : failure
      }
    },

    async complete(upload, parts, object) {
      if (!dialect.createOnlyComplete) await refuseOverwrite(objects, upload.key, object)
      const listed = parts.map(
        ({ partNumber, etag }) =>
          `<Part><PartNumber>${partNumber}</PartNumber><ETag>${escapeXml(quoted(etag))}</ETag></Part>`,
      )
      // Read to its end, because a 200 may carry an error.
      const completion = read(
        {
          method: 'POST',
          key: upload.key,
          query: [...encodedKeys(dialect), ['uploadId', upload.storageUploadId]],
          headers: {
            'content-type': 'application/xml',
            ...completeHeaders(object),
          },
        },
        'CompleteMultipartUploadResult',
        `<CompleteMultipartUpload>${listed.join('')}</CompleteMultipartUpload>`,
      )
      await completion.catch(lostUpload(dialect))
    },

    async abort(upload) {
      const query = [['uploadId', upload.storageUploadId]] as const
      await send({ method: 'DELETE', key: upload.key, query }).catch(lostUpload(dialect))
    },
  }
}

/** The one condition of a copy is about its source. A copy that fails has made no part, so the code counts at any status. */
function copyFailure(failure: StoreFailure, { failures }: Dialect): StoreFailure {
  const kind = failures.kindOf(failure.code)
  if (kind !== 'no-object' && kind !== 'exists') return failure
  return new StoreFailure('no-object', failure.code, failure.status, failure)
}
