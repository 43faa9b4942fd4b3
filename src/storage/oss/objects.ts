// Whole objects at OSS: look, put an empty one, remove.
import type { ObjectStore } from '../../core/ports.ts'
import { isStoreFailure } from '../../core/store-failure.ts'
import type { SendToOss } from './call.ts'
import { forbidOverwrite, objectHeaders, quoted, STAMP_HEADER, unquoted } from './headers.ts'

export function ossObjects(send: SendToOss): Pick<ObjectStore, 'head' | 'putEmpty' | 'delete'> {
  return {
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
