// Whole objects: HEAD, an empty PUT, DELETE.
import type { ObjectStore } from '../../core/ports/object-store.ts'
import type { Caller } from './call.ts'
import type { Dialect } from './dialect.ts'
import { quoted } from './headers.ts'
import * as read from './values.ts'

type Objects = Pick<ObjectStore, 'head' | 'putEmpty' | 'delete'>

export function restObjects({ send }: Caller, dialect: Dialect): Objects {
  const { headerNames, objectHeaders, createOnlyHeaders, objectChecksums } = dialect
  return {
    async head(key) {
      const { status, headers } = await send({ method: 'HEAD', key }, undefined, [404])
      if (status === 404) return undefined
      const shown = read.shownHeaders(headers)
      return {
        key,
        sizeBytes: read.wholeNumber(headers.get('content-length')),
        etag: read.etag(headers.get('etag')),
        versionId: headers.get(headerNames.versionId) ?? undefined,
        checksums: objectChecksums(headers),
        contentType: headers.get('content-type') ?? undefined,
        contentEncoding: headers.get('content-encoding') || undefined,
        ...(shown ? { headers: shown } : {}),
        lastModified: read.date(headers.get('last-modified')),
        uploadId: headers.get(headerNames.stamp) ?? undefined,
      }
    },

    async putEmpty(object) {
      const headers = { ...objectHeaders(object), ...createOnlyHeaders(object) }
      await send({ method: 'PUT', key: object.key, headers }, new Uint8Array())
    },

    async delete(key, { ifMatch, versionId }) {
      const query = versionId === undefined ? [] : [['versionId', versionId] as const]
      const headers = { 'if-match': quoted(ifMatch) }
      await send({ method: 'DELETE', key, query, headers }, undefined, [404, 412])
    },
  }
}
