// Whole objects: HEAD, an empty PUT, DELETE.
import type { ObjectStore } from '../../core/ports/object-store.ts'
import { StoreFailure } from '../../core/ports/store-failure.ts'
import type { ObjectSpec } from '../../core/stored.ts'
import type { Caller } from './call.ts'
import type { Dialect } from './dialect.ts'
import { quoted } from './headers.ts'
import * as read from './values.ts'

type Objects = Pick<ObjectStore, 'head' | 'putEmpty' | 'delete'>

export function restObjects({ send }: Caller, dialect: Dialect): Objects {
  const { headerNames, headHeaders, objectHeaders, objectChecksums } = dialect
  const objects: Objects = {
    async head(key) {
      const { status, headers } = await send(
        { method: 'HEAD', key, headers: headHeaders },
        undefined,
        [404],
      )
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
      if (!dialect.createOnlyPut) await refuseOverwrite(objects, object.key, object)
      const headers = objectHeaders(object)
      await send({ method: 'PUT', key: object.key, headers }, new Uint8Array())
    },

    async delete(key, { ifMatch, versionId }) {
      // A version's own id names its bytes for good.
      if (!dialect.deletesConditionally && versionId === undefined) {
        const found = await objects.head(key)
        if (found?.etag !== ifMatch.replace(/^"|"$/g, '')) return
      }
      const query = versionId === undefined ? [] : [['versionId', versionId] as const]
      const headers = { 'if-match': quoted(ifMatch) }
      await send({ method: 'DELETE', key, query, headers }, undefined, [404, 412])
    },
  }
  return objects
}

/** For a store that cannot refuse by itself. Throws StoreFailure `exists` if there is an object already. */
export async function refuseOverwrite(
  { head }: Pick<ObjectStore, 'head'>,
  key: string,
  { overwrite }: Pick<ObjectSpec, 'overwrite'>,
): Promise<void> {
  if (overwrite !== 'never') return
  if (await head(key)) throw new StoreFailure('exists', 'ObjectExists', 200)
}
