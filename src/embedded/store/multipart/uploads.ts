// InitiateMultipartUpload, CompleteMultipartUpload, AbortMultipartUpload.
import { createHash } from 'node:crypto'
import { combineCrc64 } from '../../../bytes/crc64.ts'
import { readText } from '../body.ts'
import { readCallback } from '../callback/parameters.ts'
import { withCallback } from '../callback/send.ts'
import type { Disk } from '../disk/index.ts'
import { randomId } from '../disk/layout.ts'
import type { ObjectManifest, OpenUpload, PartRecord } from '../disk/records.ts'
import { encryptionHeaders, headersToStore, readPutOptions } from '../object/headers.ts'
import { invalidArgument, refusal } from '../refusal.ts'
import type { Handler, StoreRequest } from '../services.ts'
import { locationOf } from '../wire.ts'
import { element, readKeyEncoding, xmlReply } from '../xml.ts'
import { uploadIdOf } from './part.ts'
import { type ListedPart, readPartList } from './part-list.ts'

const MIN_PART_BYTES = 102_400
const MAX_XML_BYTES = 2 * 1024 * 1024

/** `POST /key?uploads` */
export const initiate: Handler = async (request, { bucket, disk, clock }) => {
  const id = randomId()
  const { key, query } = request
  const headers = headersToStore(request.headers)
  const options = readPutOptions(request.headers)
  const encoding = readKeyEncoding(query)
  const sequential = query.has('sequential')
  await disk.initiate({ id, key, initiatedAt: clock().toISOString(), headers, sequential }, options)
  return xmlReply(
    element('InitiateMultipartUploadResult', [
      ...encoding.elements,
      element('Bucket', bucket),
      element('Key', encoding.encode(key)),
      element('UploadId', id),
    ]),
    encryptionHeaders(headers),
  )
}

/** `POST /key?uploadId=ID` */
export const complete: Handler = async (request, services) => {
  const { disk, clock, bucket } = services
  const { key, query } = request
  const callback = readCallback(request, services)
  const options = readPutOptions(request.headers)
  const encoding = readKeyEncoding(query)
  const listed = await readListedParts(request)
  const acl = request.headers['x-oss-object-acl']
  let sequential = false
  const { manifest, end } = await disk.complete(key, uploadIdOf(request), options, (upload) => {
    sequential = upload.sequential === true
    const parts = listed ? chooseParts(upload, listed) : allParts(upload)
    const headers = { ...upload.headers, ...(acl ? { 'x-oss-object-acl': acl } : {}) }
    return { ...assemble(upload, parts), headers, lastModified: clock().toISOString() }
  })
  const contentMd5 = await hashObject(manifest, sequential ? disk : undefined).finally(end)
  const reply = xmlReply(
    element('CompleteMultipartUploadResult', [
      ...encoding.elements,
      element('Location', locationOf(services, key)),
      element('Bucket', bucket),
      element('Key', encoding.encode(key)),
      element('ETag', manifest.etag),
    ]),
    {
      etag: manifest.etag,
      'x-oss-hash-crc64ecma': manifest.crc64,
      ...(contentMd5 ? { 'content-md5': contentMd5 } : {}),
      ...encryptionHeaders(manifest.headers),
    },
  )
  if (!callback) return reply
  const facts = { manifest, contentMd5, operation: 'CompleteMultipartUpload' }
  return withCallback(reply, callback, facts, request, services)
}

/** The MD5 of all bytes, as in Content-MD5; '' without a disk to read them from. */
async function hashObject({ pieces, sizeBytes }: ObjectManifest, disk: Disk | undefined) {
  if (!disk) return ''
  const digest = createHash('md5')
  for await (const chunk of disk.bodies.read(pieces, 0, sizeBytes - 1)) digest.update(chunk)
  return digest.digest('base64')
}

/** `DELETE /key?uploadId=ID` */
export const abort: Handler = async (request, { disk }) => {
  await disk.abort(request.key, uploadIdOf(request))
  return { status: 204 }
}

/** Undefined means all parts: the client sent `x-oss-complete-all: yes`. */
async function readListedParts(request: StoreRequest): Promise<ListedPart[] | undefined> {
  const all = request.headers['x-oss-complete-all']
  if (all !== undefined && all.toLowerCase() !== 'yes') {
    throw invalidArgument('x-oss-complete-all', all, 'x-oss-complete-all must be yes.')
  }
  const body = await readText(request, MAX_XML_BYTES, refusal('MalformedXML'))
  if (all === undefined) return readPartList(body)
  if (body === '') return undefined
  const message = 'Should not speficy both complete all header and http body.'
  throw invalidArgument('x-oss-complete-all', all, message, '0042-00000205')
}

function chooseParts({ parts }: OpenUpload, listed: readonly ListedPart[]): PartRecord[] {
  return listed.map(({ partNumber, etag }) => {
    const part = parts.get(partNumber)
    if (part?.md5 !== etag) {
      throw refusal('InvalidPart', { elements: { PartNumber: String(partNumber), ETag: etag } })
    }
    return part
  })
}

const allParts = ({ parts }: OpenUpload): PartRecord[] =>
  [...parts.values()].sort((a, b) => a.partNumber - b.partNumber)

/** Builds the object of these parts. Throws EntityTooSmall. */
function assemble(upload: OpenUpload, parts: readonly PartRecord[]) {
  const small = parts.slice(0, -1).find(({ sizeBytes }) => sizeBytes < MIN_PART_BYTES)
  if (small) {
    throw refusal('EntityTooSmall', {
      ec: '0042-00000213',
      elements: {
        ProposedSize: String(small.sizeBytes),
        MinSizeAllowed: String(MIN_PART_BYTES),
        PartNumber: String(small.partNumber),
      },
    })
  }
  // OSS hashes the parts' ETags as text.
  const digest = createHash('md5').update(parts.map(({ md5 }) => md5).join(''))
  const pieces = parts.map(({ dataId, sizeBytes }) => ({ dataId, sizeBytes }))
  const checksum = parts.reduce(
    (sum, part) => combineCrc64(sum, BigInt(part.crc64), part.sizeBytes),
    0n,
  )
  return {
    id: randomId(),
    key: upload.key,
    kind: 'Multipart',
    etag: `"${digest.digest('hex').toUpperCase()}-${parts.length}"`,
    sizeBytes: parts.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    crc64: String(checksum),
    pieces,
    uploadId: upload.id,
  } as const satisfies Partial<ObjectManifest>
}
