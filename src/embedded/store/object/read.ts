// GetObject and HeadObject.
import { aclReply } from '../bucket/access.ts'
import type { Disk } from '../disk/index.ts'
import { refusal } from '../refusal.ts'
import type { Handler } from '../services.ts'
import { checkConditions } from './conditions.ts'
import { answerHeaders, forceDownload } from './headers.ts'
import { contentRange, readRange } from './range.ts'

/** `GET /key` */
export const getObject: Handler = async (request, { disk }) => {
  const { manifest, end } = await openObject(disk, request.key)
  try {
    checkConditions(manifest, request.headers)
    const { pieces, sizeBytes } = manifest
    const range = readRange(request.headers, sizeBytes)
    const { first, last } = range ?? { first: 0, last: sizeBytes - 1 }
    const headers = forceDownload(answerHeaders(manifest, request.query))
    headers['content-length'] = String(last - first + 1)
    if (range) {
      headers['content-range'] = contentRange(range, sizeBytes)
      // It would be the MD5 of other bytes than the answer's.
      delete headers['content-md5']
    }
    const body = disk.bodies.read(pieces, first, last)
    return { status: range ? 206 : 200, headers, body, end }
  } catch (error) {
    await end()
    throw error
  }
}

/** `HEAD /key` */
export const headObject: Handler = async (request, { disk }) => {
  const { manifest, end } = await openObject(disk, request.key)
  await end()
  checkConditions(manifest, request.headers)
  const headers = answerHeaders(manifest, request.query)
  return { status: 200, headers: { ...headers, 'content-length': String(manifest.sizeBytes) } }
}

/** `HEAD /key?objectMeta`: only what a client needs to know that it has the same object. */
export const getObjectMeta: Handler = async (request, { disk }) => {
  const { manifest, end } = await openObject(disk, request.key)
  await end()
  return {
    status: 200,
    headers: {
      etag: manifest.etag,
      'content-length': String(manifest.sizeBytes),
      'last-modified': new Date(manifest.lastModified).toUTCString(),
      'x-oss-hash-crc64ecma': manifest.crc64,
    },
  }
}

/** `GET /key?acl` */
export const getObjectAcl: Handler = async (request, { disk }) => {
  const { manifest, end } = await openObject(disk, request.key)
  await end()
  return aclReply(manifest.headers['x-oss-object-acl'] ?? 'default')
}

/** Throws NoSuchKey. The caller calls `end` when it has read the object. */
export async function openObject(disk: Disk, key: string) {
  const opened = await disk.openObject(key)
  if (opened) return opened
  throw refusal('NoSuchKey', { ec: '0026-00000001', elements: { Key: key } })
}
