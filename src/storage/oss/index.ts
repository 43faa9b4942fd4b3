// The OSS dialect of ObjectStore: native multipart with V4 signatures, the stamp, forbid-overwrite and upload callbacks.
import { GiB, KiB } from '../../core/part-plan.ts'
import type {
  CallbackFields,
  ObjectSpec,
  ObjectStore,
  PartToSign,
  RawRequest,
  StoredPart,
} from '../../core/ports.ts'
import { isStoreFailure, StoreFailure } from '../../core/store-failure.ts'
import { expectXml, sendToStore } from '../send.ts'
import { escapeXml, listOf, textOf } from '../xml.ts'
import { callbackQuery } from './callback-query.ts'
import { attachment, objectHeaders, STAMP_HEADER } from './headers.ts'
import { type OssCall, type OssSignerOptions, ossSigner } from './sign.ts'

/** "Limits", Alibaba Cloud OSS: parts of 100 KB to 5 GB, 10,000 of them. */
export const OSS_LIMITS = {
  minPartSizeBytes: 100 * KiB,
  maxPartSizeBytes: 5 * GiB,
  maxPartCount: 10_000,
  maxObjectSizeBytes: 10_000 * 5 * GiB,
}

const MAX_URL_SECONDS = 604_800
const MAX_STS_URL_SECONDS = 43_200

export interface OssOptions extends OssSignerOptions {
  name: string
  clock: () => Date
  fetch: typeof fetch
  /** When temporary credentials end, where that is known. */
  credentialsExpireAt?: Date
  /** How long a call may take; 30 s unless given. */
  timeoutMs?: number
  /** Sign the exact Content-Length of parts as an additional header. */
  bindLength: boolean
  /** Checks a callback's signature; without one no callback is believed. */
  verifyCallback: (request: RawRequest) => boolean
  parseCallbackBody: (
    contentType: string | null,
    body: Uint8Array,
  ) => Record<string, string> | undefined
}

const unquoted = (etag: string) => etag.replace(/^"|"$/g, '')
const quoted = (etag: string) => `"${unquoted(etag)}"`
const forbidOverwrite = ({ overwrite }: Pick<ObjectSpec, 'overwrite'>): Record<string, string> =>
  overwrite === 'never' ? { 'x-oss-forbid-overwrite': 'true' } : {}

export function oss(options: OssOptions): ObjectStore {
  const signer = ossSigner(options)

  function send(call: OssCall, body?: string | Uint8Array<ArrayBuffer>, also?: readonly number[]) {
    const { url, headers } = signer.byHeader(call, options.clock())
    return sendToStore(
      options.fetch,
      { method: call.method, url, headers, body, timeoutMs: options.timeoutMs },
      also,
    )
  }

  /** What a part's or object's PUT signs besides the query, and what its sender must therefore send. */
  function putHeaders(part: PartToSign, headers: Record<string, string>) {
    const sent = part.contentMd5 ? { ...headers, 'Content-MD5': part.contentMd5 } : headers
    return options.bindLength
      ? {
          sent,
          signed: { ...sent, 'content-length': String(part.sizeBytes) },
          additionalHeaders: ['content-length'],
        }
      : { sent, signed: sent, additionalHeaders: [] }
  }

  async function* listParts(upload: { key: string; storageUploadId: string }) {
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

  return {
    name: options.name,
    dialect: 'oss',
    limits: OSS_LIMITS,
    createOnlyPut: true,
    verifiableChecksums: ['crc64'],

    maxUrlSeconds(from) {
      const { credentials, credentialsExpireAt } = options
      const most = credentials.sessionToken ? MAX_STS_URL_SECONDS : MAX_URL_SECONDS
      if (!credentialsExpireAt) return most
      return Math.min(most, Math.floor((credentialsExpireAt.getTime() - from.getTime()) / 1000))
    },

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

    presignParts: (upload, parts, validity) =>
      parts.map((part) => {
        const { sent, signed, additionalHeaders } = putHeaders(part, {})
        return signer.byQuery(
          {
            method: 'PUT',
            key: upload.key,
            query: [
              ['partNumber', String(part.partNumber)],
              ['uploadId', upload.storageUploadId],
            ],
            headers: signed,
            additionalHeaders,
          },
          validity,
          sent,
        )
      }),

    presignPut(object, part, validity) {
      const { sent, signed, additionalHeaders } = putHeaders(part, {
        ...objectHeaders(object),
        ...forbidOverwrite(object),
      })
      return signer.byQuery(
        { method: 'PUT', key: object.key, headers: signed, additionalHeaders },
        validity,
        sent,
      )
    },

    presignGet: (key, filename, validity) =>
      signer.byQuery(
        {
          method: 'GET',
          key,
          query: [['response-content-disposition', attachment(filename)]],
        },
        validity,
      ),

    presignComplete(upload, callback, object, validity) {
      const headers = { 'x-oss-complete-all': 'yes', ...forbidOverwrite(object) }
      return signer.byQuery(
        {
          method: 'POST',
          key: upload.key,
          query: [...callbackQuery(callback), ['uploadId', upload.storageUploadId]],
          headers,
        },
        validity,
        headers,
      )
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
      const found: Array<{ key: string; storageUploadId: string }> = []
      let marker: ReadonlyArray<readonly [string, string]> = []
      for (;;) {
        const answer = await send({
          method: 'GET',
          query: [
            ['encoding-type', 'url'],
            ['max-uploads', '1000'],
            ['prefix', key],
            ['uploads', ''],
            ...marker,
          ],
        })
        const page = expectXml(answer, 'ListMultipartUploadsResult')
        for (const upload of listOf(page, 'Upload')) {
          const storageUploadId = textOf(upload, 'UploadId')
          // Sorted by key: the exact key comes before all longer ones that it begins.
          if (decodeURIComponent(textOf(upload, 'Key') ?? '') !== key) return found
          if (storageUploadId) found.push({ key, storageUploadId })
        }
        if (textOf(page, 'IsTruncated') !== 'true') return found
        marker = [
          ['key-marker', decodeURIComponent(textOf(page, 'NextKeyMarker') ?? '')],
          ['upload-id-marker', textOf(page, 'NextUploadIdMarker') ?? ''],
        ]
      }
    },

    async head(key) {
      const { status, headers } = await send({ method: 'HEAD', key }, undefined, [404])
      if (status === 404) return undefined
      const modified = headers.get('last-modified')
      return {
        key,
        sizeBytes: Number(headers.get('content-length')),
        etag: unquoted(headers.get('etag') ?? ''),
        versionId: headers.get('x-oss-version-id') ?? undefined,
        crc64: headers.get('x-oss-hash-crc64ecma') ?? undefined,
        contentType: headers.get('content-type') ?? undefined,
        lastModified: modified ? new Date(modified) : undefined,
        uploadId: headers.get(STAMP_HEADER) ?? undefined,
      }
    },

    async putEmpty(object) {
      try {
        await send(
          {
            method: 'PUT',
            key: object.key,
            headers: { ...objectHeaders(object), ...forbidOverwrite(object) },
          },
          new Uint8Array(),
        )
      } catch (failure) {
        // There already: HEAD will tell whether it is the session's own.
        if (isStoreFailure(failure, 'refused') && failure.code === 'FileAlreadyExists') return
        throw failure
      }
    },

    async delete(key, { ifMatch }) {
      await send(
        { method: 'DELETE', key, headers: { 'if-match': quoted(ifMatch) } },
        undefined,
        [404, 412],
      )
    },

    verifyCallback: (request) =>
      options.verifyCallback(request) ? readCallback(request) : undefined,
    readCallback,
  }

  function readCallback(request: RawRequest): CallbackFields | undefined {
    return options.parseCallbackBody(request.headers.get('content-type'), request.body)
  }
}
