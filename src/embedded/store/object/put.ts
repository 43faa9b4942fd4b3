// PutObject, and the steps that it shares with PostObject.
import { receiveBody } from '../body.ts'
import { readCallback } from '../callback/parameters.ts'
import { withCallback } from '../callback/send.ts'
import type { PutOptions } from '../disk/index.ts'
import { randomId } from '../disk/layout.ts'
import type { ObjectManifest, StoredBody } from '../disk/records.ts'
import { refusal } from '../refusal.ts'
import type { Handler, StoreServices } from '../services.ts'
import { encryptionHeaders, headersToStore, readPutOptions } from './headers.ts'

/** Conditions of a read, which OSS refuses for a put. */
const CONDITIONS = ['If-Modified-Since', 'If-Unmodified-Since', 'If-Match', 'If-None-Match']

/** `PUT /key` */
export const putObject: Handler = async (request, services) => {
  const { disk } = services
  const { key } = request
  const unsupported = CONDITIONS.find((name) => request.headers[name.toLowerCase()] !== undefined)
  if (unsupported) {
    throw refusal('NotImplemented', { ec: '0017-00000245', elements: { Header: unsupported } })
  }
  const callback = readCallback(request, services)
  const headers = headersToStore(request.headers)
  const options = readPutOptions(request.headers)
  if (options.forbidOverwrite) await disk.checkOverwrite(key, options)
  const stored = await receiveBody(request, disk.bodies)
  const manifest = await commitObject(services, { key, headers, stored }, options)
  const reply = { status: 200, headers: putHeaders(manifest, stored) }
  if (!callback) return reply
  const facts = { manifest, contentMd5: contentMd5(stored), operation: 'PutObject' }
  return withCallback(reply, callback, facts, request, services)
}

/** Makes an object of received bytes. Discards the bytes if it fails. */
export async function commitObject(
  { disk, clock }: StoreServices,
  { key, headers, stored }: { key: string; headers: Record<string, string>; stored: StoredBody },
  options: PutOptions,
): Promise<ObjectManifest> {
  const { dataId, sizeBytes, md5, crc64 } = stored
  const manifest: ObjectManifest = {
    id: randomId(),
    key,
    kind: 'Normal',
    etag: `"${md5}"`,
    sizeBytes,
    crc64,
    lastModified: clock().toISOString(),
    headers,
    pieces: [{ dataId, sizeBytes }],
  }
  try {
    await disk.putObject(manifest, options)
    return manifest
  } catch (error) {
    await disk.bodies.discard([stored])
    throw error
  }
}

/** The MD5 as base64, as in Content-MD5. */
export const contentMd5 = ({ md5 }: StoredBody): string =>
  Buffer.from(md5, 'hex').toString('base64')

/** The headers that answer a put. */
export const putHeaders = (
  { etag, headers }: Pick<ObjectManifest, 'etag' | 'headers'>,
  stored: StoredBody,
): Record<string, string> => ({
  etag,
  'content-md5': contentMd5(stored),
  'x-oss-hash-crc64ecma': stored.crc64,
  ...encryptionHeaders(headers),
})
