// CopyObject: a new object with bytes, ETag and CRC64 of its own, so that neither object depends on the other.
// Source: Alibaba Cloud OSS, "CopyObject".
import { MAX_BODY_BYTES } from '../body.ts'
import type { ObjectManifest } from '../disk/records.ts'
import { copySource, sourceConditions } from '../multipart/part-copy.ts'
import { invalidArgument, refusal } from '../refusal.ts'
import type { Handler } from '../services.ts'
import type { WireHeaders } from '../wire.ts'
import { element, wholeSeconds, xmlReply } from '../xml.ts'
import { checkConditions } from './conditions.ts'
import { encryptionHeaders, headersToStore, readPutOptions } from './headers.ts'
import { commitObject } from './put.ts'
import { openObject } from './read.ts'

/** What the target takes from the request alone, whatever the directives say. */
const NEVER_COPIED = ['x-oss-object-acl', 'x-oss-storage-class', 'x-oss-tagging']

/** `PUT /key` with `x-oss-copy-source` */
export const copyObject: Handler = async (request, services) => {
  const { bucket, disk } = services
  const { key, headers } = request
  if (request.contentLength) {
    throw invalidArgument('x-oss-copy-source', '', 'A copy has no request body.')
  }
  const source = copySource(headers)
  if (source.bucket !== bucket) {
    throw refusal('NoSuchBucket', { elements: { BucketName: source.bucket } })
  }
  const options = readPutOptions(headers)
  const replaceMetadata = readDirective(headers, 'x-oss-metadata-directive')
  const replaceTags = readDirective(headers, 'x-oss-tagging-directive')
  const requested = headersToStore(headers)
  await disk.checkOverwrite(key, options)
  const { manifest, end } = await openObject(disk, source.key)
  try {
    checkConditions(manifest, sourceConditions(headers))
    const bytes = disk.bodies.read(manifest.pieces, 0, manifest.sizeBytes - 1)
    const stored = await disk.bodies.receive(bytes, MAX_BODY_BYTES)
    const kept = chooseHeaders(manifest, requested, {
      // A copy of an object onto itself is how OSS changes metadata, so there the request's always count.
      metadata: replaceMetadata || source.key === key,
      tags: replaceTags,
    })
    const copy = await commitObject(services, { key, headers: kept, stored }, options)
    return xmlReply(
      element('CopyObjectResult', [
        element('ETag', copy.etag),
        element('LastModified', wholeSeconds(copy.lastModified)),
      ]),
      { etag: copy.etag, 'x-oss-hash-crc64ecma': copy.crc64, ...encryptionHeaders(kept) },
    )
  } finally {
    await end()
  }
}

/** True for REPLACE, false for COPY or without the header. Throws InvalidArgument for anything else. */
function readDirective(headers: WireHeaders, name: string): boolean {
  const value = headers[name] ?? 'COPY'
  if (/^(copy|replace)$/i.test(value)) return value.toUpperCase() === 'REPLACE'
  throw invalidArgument(name, value, `${name} must be COPY or REPLACE.`)
}

/** The headers of the target: the source's or the request's, as the directives choose. */
function chooseHeaders(
  source: ObjectManifest,
  requested: Record<string, string>,
  replace: { metadata: boolean; tags: boolean },
): Record<string, string> {
  const only = (headers: Record<string, string>, wanted: (name: string) => boolean) =>
    Object.fromEntries(Object.entries(headers).filter(([name]) => wanted(name)))
  const isOwn = (name: string) =>
    NEVER_COPIED.includes(name) || name.startsWith('x-oss-server-side-')
  return {
    ...only(replace.metadata ? requested : source.headers, (name) => !isOwn(name)),
    ...only(requested, (name) => isOwn(name) && name !== 'x-oss-tagging'),
    ...only(replace.tags ? requested : source.headers, (name) => name === 'x-oss-tagging'),
  }
}
