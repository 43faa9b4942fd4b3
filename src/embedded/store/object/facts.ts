// GetObjectAcl and GetObjectMeta. An access list is stored and read back, and has no effect: every request needs a signature.
import { aclReply } from '../bucket/access.ts'
import type { Handler } from '../services.ts'
import { openObject } from './read.ts'

/** `GET /key?acl`: `default`, which is the bucket's, unless the upload named one. */
export const getObjectAcl: Handler = async ({ key }, { disk }) => {
  const { manifest, end } = await openObject(disk, key)
  await end()
  return aclReply(manifest.headers['x-oss-object-acl'] ?? 'default')
}

/** `HEAD /key?objectMeta`: the size and what identifies the bytes, without the object's own headers. */
export const getObjectMeta: Handler = async ({ key }, { disk }) => {
  const { manifest, end } = await openObject(disk, key)
  await end()
  return {
    status: 200,
    headers: {
      etag: manifest.etag,
      'last-modified': new Date(manifest.lastModified).toUTCString(),
      'content-length': String(manifest.sizeBytes),
      'x-oss-hash-crc64ecma': manifest.crc64,
    },
  }
}
