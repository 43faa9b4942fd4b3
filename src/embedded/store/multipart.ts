// InitiateMultipartUpload, UploadPart, CompleteMultipartUpload, AbortMultipartUpload.
import { createHash } from 'node:crypto'
import { combineCrc64 } from '../../bytes/crc64.ts'
import { readText, receiveBody } from './body.ts'
import { readCallback } from './callback/parameters.ts'
import { withCallback } from './callback/send.ts'
import { type Disk, randomId } from './disk/index.ts'
import type { ObjectManifest, OpenUpload, PartRecord } from './disk/records.ts'
import { encoded } from './listing.ts'
import { encryptionHeaders, forbidsOverwrite, keptHeaders } from './object-headers.ts'
import { type ListedPart, readPartList } from './part-list.ts'
import { invalidArgument, refusal } from './refusal.ts'
import type { Handler, StoreRequest, StoreServices } from './services.ts'
import { element, xmlReply } from './xml.ts'

const MIN_PART_BYTES = 102_400
const MAX_XML_BYTES = 2 * 1024 * 1024

/** `POST /key?uploads` */
export const initiate: Handler = async (request, { bucket, disk, clock }) => {
  const id = randomId()
  const { key, query } = request
  const headers = keptHeaders(request.headers)
  const options = { forbidOverwrite: forbidsOverwrite(request.headers) }
  const inXml = encoded(query)
  await disk.initiate({ id, key, initiatedAt: clock().toISOString(), headers }, options)
  return xmlReply(
    element('InitiateMultipartUploadResult', [
      ...inXml.declaration,
      element('Bucket', bucket),
      element('Key', inXml.text(key)),
      element('UploadId', id),
    ]),
    encryptionHeaders(headers),
  )
}

/** `PUT /key?partNumber=N&uploadId=ID` */
export const uploadPart: Handler = async (request, { disk, clock }) => {
  const { key, query } = request
  const partNumber = readPartNumber(query.get('partNumber'))
  const uploadId = query.get('uploadId') ?? ''
  const upload = disk.findUpload(key, uploadId)
  const stored = await receiveBody(request, disk.bodies)
  await storePart(disk, request, { ...stored, partNumber, lastModified: clock().toISOString() })
  return {
    status: 200,
    headers: {
      etag: `"${stored.md5}"`,
      'content-md5': Buffer.from(stored.md5, 'hex').toString('base64'),
      'x-oss-hash-crc64ecma': stored.crc64,
      ...encryptionHeaders(upload.headers),
    },
  }
}

/** Makes received bytes a part of the upload, or removes them where that has ended meanwhile. */
export async function storePart(disk: Disk, { key, query }: StoreRequest, part: PartRecord) {
  try {
    await disk.commitPart(key, query.get('uploadId') ?? '', part)
  } catch (error) {
    await disk.bodies.discard([part])
    throw error
  }
}

/** `POST /key?uploadId=ID` */
export const complete: Handler = async (request, services) => {
  const { disk, clock, bucket } = services
  const { key, query } = request
  const uploadId = query.get('uploadId') ?? ''
  const callback = readCallback(request, services)
  const options = { forbidOverwrite: forbidsOverwrite(request.headers) }
  const inXml = encoded(query)
  const listed = await readListedParts(request)
  const acl = request.headers['x-oss-object-acl']
  const manifest = await disk.complete(key, uploadId, options, (upload) => {
    const parts = listed ? chooseParts(upload, listed) : allParts(upload)
    const headers = { ...upload.headers, ...(acl ? { 'x-oss-object-acl': acl } : {}) }
    return { ...assemble(upload, parts), headers, lastModified: clock().toISOString() }
  })
  const facts = {
    etag: manifest.etag,
    'x-oss-hash-crc64ecma': manifest.crc64,
    ...encryptionHeaders(manifest.headers),
  }
  const reply = xmlReply(
    element('CompleteMultipartUploadResult', [
      ...inXml.declaration,
      element('Location', locationOf(services, key)),
      element('Bucket', bucket),
      element('Key', inXml.text(key)),
      element('ETag', manifest.etag),
    ]),
    facts,
  )
  if (!callback) return reply
  const variables = { manifest, contentMd5: '', operation: 'CompleteMultipartUpload' }
  return withCallback(reply, callback, variables, request, services)
}

/** `DELETE /key?uploadId=ID` */
export const abort: Handler = async ({ key, query }, { disk }) => {
  await disk.abort(key, query.get('uploadId') ?? '')
  return { status: 204 }
}

export const locationOf = ({ url, bucket }: StoreServices, key: string): string =>
  `${url()}/${bucket}/${key.split('/').map(encodeURIComponent).join('/')}`

export function readPartNumber(text: string | undefined): number {
  if (!text) {
    const message = 'Unexpected query string parameter: partNumber is missing.'
    throw invalidArgument('partNumber', '', message, '0017-00000219')
  }
  const partNumber = /^\d{1,5}$/.test(text) ? Number(text) : 0
  if (partNumber < 1 || partNumber > 10_000) {
    const message = 'Part number must be an integer between 1 and 10000, inclusive.'
    throw invalidArgument('partNumber', text, message, '0017-00000220')
  }
  return partNumber
}

/** Undefined means all parts, as `x-oss-complete-all: yes` asks. */
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

function allParts({ parts }: OpenUpload): PartRecord[] {
  if (parts.size === 0) {
    throw refusal('InvalidPart', { message: 'No part has been uploaded.' })
  }
  return [...parts.values()].sort((a, b) => a.partNumber - b.partNumber)
}

/** The object that these parts make. Throws EntityTooSmall. */
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
  const digest = createHash('md5')
  for (const { md5 } of parts) digest.update(Buffer.from(md5, 'hex'))
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
