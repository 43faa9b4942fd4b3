// PutObject, GetObject, HeadObject, DeleteObject.
import { receiveBody } from './body.ts'
import { readCallback } from './callback/parameters.ts'
import { withCallback } from './callback/send.ts'
import { type PutOptions, randomId } from './disk/index.ts'
import type { ObjectManifest, StoredBody } from './disk/records.ts'
import {
  checkConditions,
  encryptionHeaders,
  forbidsOverwrite,
  keptHeaders,
  matches,
  objectHeaders,
  safeToServe,
} from './object-headers.ts'
import { readRange } from './range.ts'
import { refusal } from './refusal.ts'
import type { Handler, StoreRequest, StoreServices } from './services.ts'

/** `PUT /key` */
export const putObject: Handler = async (request, services) => {
  const { disk } = services
  const { key } = request
  const callback = readCallback(request, services)
  const headers = keptHeaders(request.headers)
  const options = { forbidOverwrite: forbidsOverwrite(request.headers) }
  if (options.forbidOverwrite) await disk.checkOverwrite(key, options)
  const stored = await receiveBody(request, disk.bodies)
  const manifest = await keepObject(services, { key, headers, stored }, options)
  const reply = { status: 200, headers: putFacts(manifest, stored) }
  if (!callback) return reply
  const facts = { manifest, contentMd5: md5Of(stored), operation: 'PutObject' }
  return withCallback(reply, callback, facts, request, services)
}

/** Makes an object of bytes that were received whole; where it may not be, they go. */
export async function keepObject(
  { disk, clock }: StoreServices,
  { key, headers, stored }: { key: string; headers: Record<string, string>; stored: StoredBody },
  options: PutOptions,
): Promise<ObjectManifest> {
  const manifest: ObjectManifest = {
    id: randomId(),
    key,
    kind: 'Normal',
    etag: `"${stored.md5}"`,
    sizeBytes: stored.sizeBytes,
    crc64: stored.crc64,
    lastModified: clock().toISOString(),
    headers,
    pieces: [{ dataId: stored.dataId, sizeBytes: stored.sizeBytes }],
  }
  try {
    await disk.putObject(manifest, options)
    return manifest
  } catch (error) {
    await disk.bodies.discard([stored])
    throw error
  }
}

export const md5Of = ({ md5 }: StoredBody): string => Buffer.from(md5, 'hex').toString('base64')

/** What a put answers about what it made. */
export const putFacts = (
  { etag, crc64, headers }: ObjectManifest,
  stored: StoredBody,
): Record<string, string> => ({
  etag,
  'content-md5': md5Of(stored),
  'x-oss-hash-crc64ecma': crc64,
  ...encryptionHeaders(headers),
})

/** `GET /key` */
export const getObject: Handler = async (request, services) => {
  const { manifest, end } = await openObject(request, services)
  try {
    checkConditions(manifest, request.headers)
    const { sizeBytes } = manifest
    const range = readRange(request.headers.range, sizeBytes)
    const { first, last } = range ?? { first: 0, last: sizeBytes - 1 }
    const headers = safeToServe(objectHeaders(manifest, request.query))
    headers['content-length'] = String(last - first + 1)
    if (range) headers['content-range'] = `bytes ${first}-${last}/${sizeBytes}`
    return {
      status: range ? 206 : 200,
      headers,
      body: services.disk.bodies.read(manifest.pieces, first, last),
      end,
    }
  } catch (error) {
    await end()
    throw error
  }
}

/** `HEAD /key` */
export const headObject: Handler = async (request, services) => {
  const { manifest, end } = await openObject(request, services)
  await end()
  checkConditions(manifest, request.headers)
  const headers = objectHeaders(manifest, request.query)
  return { status: 200, headers: { ...headers, 'content-length': String(manifest.sizeBytes) } }
}

/** `DELETE /key`: 204 whether it existed or not; `If-Match` keeps what is not meant. */
export const deleteObject: Handler = async (request, { disk }) => {
  const ifMatch = request.headers['if-match']
  await disk.deleteObject(request.key, (manifest) => {
    if (manifest && ifMatch !== undefined && !matches(ifMatch, manifest.etag)) {
      throw refusal('PreconditionFailed')
    }
  })
  return { status: 204 }
}

async function openObject({ key }: StoreRequest, { disk }: StoreServices) {
  const opened = await disk.openObject(key)
  if (!opened) throw refusal('NoSuchKey', { ec: '0026-00000001', elements: { Key: key } })
  return opened
}
