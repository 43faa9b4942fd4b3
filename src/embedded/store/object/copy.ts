// CopyObject: an object made of another one. The bytes are copied, so that neither object depends on the other.
// Source: Alibaba Cloud OSS, "CopyObject".
import { MAX_BODY_BYTES } from '../body.ts'
import type { ObjectManifest } from '../disk/records.ts'
import { invalidArgument, refusal } from '../refusal.ts'
import type { Handler, StoreRequest } from '../services.ts'
import type { WireHeaders } from '../wire.ts'
import { element, wholeSeconds, xmlReply } from '../xml.ts'
import { openSource } from './copy-source.ts'
import { encryptionHeaders, headersToStore, isMetadata, readPutOptions } from './headers.ts'
import { commitObject } from './put.ts'

/** `PUT /key` with `x-oss-copy-source` */
export const copyObject: Handler = async (request, services) => {
  const { disk } = services
  const { key, headers } = request
  const options = readPutOptions(headers)
  if (options.forbidOverwrite) await disk.checkOverwrite(key, options)
  const { source, manifest, end } = await openSource(request, services)
  try {
    const stored = headersOfCopy(headers, manifest, source.key === key)
    const { pieces, sizeBytes } = manifest
    if (sizeBytes > MAX_BODY_BYTES) throw refusal('EntityTooLarge')
    const bytes = disk.bodies.read(pieces, 0, sizeBytes - 1)
    const body = await disk.bodies.receive(bytes, MAX_BODY_BYTES)
    const copy = await commitObject(services, { key, headers: stored, stored: body }, options)
    return xmlReply(
      element('CopyObjectResult', [
        element('LastModified', wholeSeconds(copy.lastModified)),
        element('ETag', copy.etag),
      ]),
      { etag: copy.etag, 'x-oss-hash-crc64ecma': copy.crc64, ...encryptionHeaders(stored) },
    )
  } finally {
    await end()
  }
}

/**
 * The type and the metadata are the source's, or the request's if it says `REPLACE` or copies an object onto itself. Tags
 * follow their own directive. Access list, class and encryption are the request's.
 */
function headersOfCopy(
  headers: StoreRequest['headers'],
  source: ObjectManifest,
  isSame: boolean,
): Record<string, string> {
  const replaces = readDirective(headers, 'x-oss-metadata-directive') || isSame
  const replacesTags = readDirective(headers, 'x-oss-tagging-directive')
  const own = headersToStore(headers)
  const pick = (from: WireHeaders, wanted: (name: string) => boolean) =>
    Object.entries(from).filter(([name]) => wanted(name))
  const isTagging = (name: string) => name === 'x-oss-tagging'
  return Object.fromEntries([
    ...pick(own, (name) => !isMetadata(name) && !isTagging(name)),
    ...pick(replaces ? own : source.headers, isMetadata),
    ...pick(replacesTags ? own : source.headers, isTagging),
  ])
}

/** True for REPLACE. Throws InvalidArgument. */
function readDirective(headers: WireHeaders, name: string): boolean {
  const value = headers[name] ?? 'COPY'
  const directive = value.toUpperCase()
  if (directive === 'COPY' || directive === 'REPLACE') return directive === 'REPLACE'
  throw invalidArgument(name, value, `${name} must be COPY or REPLACE.`)
}
