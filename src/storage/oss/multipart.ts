// Multipart uploads at OSS, by our own signed calls ("Multipart upload", API reference).
import type {
  ListedUpload,
  ListedUploadsPage,
  ObjectStore,
  StoredPart,
  StoredUpload,
} from '../../core/ports.ts'
import { StoreFailure } from '../../core/store-failure.ts'
import { expectXml } from '../send.ts'
import { escapeXml, listOf, textOf } from '../xml.ts'
import type { SendToOss } from './call.ts'
import { forbidOverwrite, objectHeaders, quoted, unquoted } from './headers.ts'

type Multipart = Pick<
  ObjectStore,
  'initiate' | 'listParts' | 'complete' | 'abort' | 'listUploads' | 'listUploadsBelow'
>

export function ossMultipart(send: SendToOss): Multipart {
  async function* listParts(upload: StoredUpload) {
    for (let marker = ''; ; ) {
      const answer = await send({
        method: 'GET',
        key: upload.key,
        query: [
          ['encoding-type', 'url'],
          ['max-parts', '1000'],
          ...(marker ? ([['part-number-marker', marker]] as const) : []),
          ['uploadId', upload.storageUploadId],
        ],
      })
      const page = expectXml(answer, 'ListPartsResult')
      yield listOf(page, 'Part').map(
        (part): StoredPart => ({
          partNumber: Number(textOf(part, 'PartNumber')),
          sizeBytes: Number(textOf(part, 'Size')),
          etag: unquoted(textOf(part, 'ETag') ?? ''),
          crc64: textOf(part, 'HashCrc64ecma') || undefined,
          lastModified: new Date(textOf(part, 'LastModified') ?? 0),
        }),
      )
      if (textOf(page, 'IsTruncated') !== 'true') return
      const next = textOf(page, 'NextPartNumberMarker') ?? ''
      if (next === '' || Number(next) <= Number(marker || 0)) {
        throw new StoreFailure('ambiguous', 'UnreadableAnswer', answer.status)
      }
      marker = next
    }
  }

  async function listUploadsBelow(
    prefix: string,
    after?: StoredUpload,
  ): Promise<ListedUploadsPage> {
    const answer = await send({
      method: 'GET',
      query: [
        ['encoding-type', 'url'],
        ['max-uploads', '1000'],
        ['prefix', prefix],
        ['uploads', ''],
        ...(after
          ? ([
              ['key-marker', after.key],
              ['upload-id-marker', after.storageUploadId],
            ] as const)
          : []),
      ],
    })
    const page = expectXml(answer, 'ListMultipartUploadsResult')
    const uploads = listOf(page, 'Upload').map((upload) => ({
      key: decodeURIComponent(textOf(upload, 'Key') ?? ''),
      storageUploadId: textOf(upload, 'UploadId') ?? '',
      initiatedAt: new Date(textOf(upload, 'Initiated') ?? 0),
    }))
    if (textOf(page, 'IsTruncated') !== 'true') return { uploads }
    const key = decodeURIComponent(textOf(page, 'NextKeyMarker') ?? '')
    const storageUploadId = textOf(page, 'NextUploadIdMarker') ?? ''
    // A page that leads back to itself would be asked for without end.
    if (!key || (key === after?.key && storageUploadId === after.storageUploadId)) {
      throw new StoreFailure('ambiguous', 'UnreadableAnswer', answer.status)
    }
    return { uploads, next: { key, storageUploadId } }
  }

  return {
    async initiate(object) {
      const answer = await send({
        method: 'POST',
        key: object.key,
        query: [
          ['encoding-type', 'url'],
          ['uploads', ''],
        ],
        headers: { ...objectHeaders(object), ...forbidOverwrite(object) },
      })
      const id = textOf(expectXml(answer, 'InitiateMultipartUploadResult'), 'UploadId')
      if (!id) throw new StoreFailure('ambiguous', 'UnreadableAnswer', answer.status)
      return id
    },

    listParts,

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
          headers: { 'content-type': 'application/xml', ...forbidOverwrite(object) },
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

    async listUploads(key) {
      const found: ListedUpload[] = []
      let after: StoredUpload | undefined
      do {
        const page = await listUploadsBelow(key, after)
        // Sorted by key: the exact key comes before all longer ones that it begins.
        for (const upload of page.uploads) {
          if (upload.key !== key) return found
          found.push(upload)
        }
        after = page.next
      } while (after)
      return found
    },

    listUploadsBelow,
  }
}
