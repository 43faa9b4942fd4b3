// Whole objects at OSS: look, put an empty one, remove.
import type { ObjectStore } from '../../core/ports/object-store.ts'
import { forbidOverwrite, objectHeaders, quoted, STAMP_HEADER } from '../oss/headers.ts'
import type { SendToOss } from './call.ts'
import * as read from './values.ts'

export function ossObjects(send: SendToOss): Pick<ObjectStore, 'head' | 'putEmpty' | 'delete'> {
  return {
    async head(key) {
      const { status, headers } = await send({ method: 'HEAD', key }, undefined, [404])
      if (status === 404) return undefined
      const shown = read.shownHeaders(headers)
      return {
        key,
        sizeBytes: read.wholeNumber(headers.get('content-length')),
        etag: read.etag(headers.get('etag')),
        versionId: headers.get('x-oss-version-id') ?? undefined,
        crc64: read.crc64(headers.get('x-oss-hash-crc64ecma')),
        contentType: headers.get('content-type') ?? undefined,
        contentEncoding: headers.get('content-encoding') || undefined,
        ...(shown ? { headers: shown } : {}),
        lastModified: read.date(headers.get('last-modified')),
        uploadId: headers.get(STAMP_HEADER) ?? undefined,
      }
    },

    async putEmpty(object) {
      await send(
        {
          method: 'PUT',
          key: object.key,
          headers: { ...objectHeaders(object), ...forbidOverwrite(object) },
        },
        new Uint8Array(),
      )
    },

    async delete(key, { ifMatch, versionId }) {
      const query = versionId === undefined ? [] : [['versionId', versionId] as const]
      await send(
        { method: 'DELETE', key, query, headers: { 'if-match': quoted(ifMatch) } },
        undefined,
        [404, 412],
      )
    },
  }
}
