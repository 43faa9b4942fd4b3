// The headers of an object: which ones a request stores, and which ones GET and HEAD answer.
import type { PutOptions } from '../disk/index.ts'
import type { ObjectManifest } from '../disk/records.ts'
import { invalidArgument, refusal } from '../refusal.ts'
import type { WireHeaders, WireQuery } from '../wire.ts'

const ENCRYPTION = [
  'x-oss-server-side-encryption',
  'x-oss-server-side-encryption-key-id',
  'x-oss-server-side-data-encryption',
]
/** A GET can replace these for its own answer with `response-*`. */
const STANDARD = [
  'content-type',
  'content-language',
  'expires',
  'cache-control',
  'content-disposition',
  'content-encoding',
]
/** Stored, but not answered by GET and HEAD. */
const HIDDEN = ['x-oss-object-acl', 'x-oss-tagging']
const STORED = [...STANDARD, 'x-oss-storage-class', ...HIDDEN, ...ENCRYPTION]

const STORAGE_CLASSES = ['Standard', 'IA', 'Archive', 'ColdArchive', 'DeepColdArchive']
const ALGORITHMS = ['AES256', 'KMS', 'SM4']
const MAX_METADATA_BYTES = 8 * 1024

/** Throws a refusal for an unknown storage class or encryption, and for more than 8 KB of user metadata. */
export function headersToStore(headers: WireHeaders): Record<string, string> {
  const stored = Object.entries(headers).filter(
    ([name]) => STORED.includes(name) || name.startsWith('x-oss-meta-'),
  )
  const metadataBytes = stored
    .filter(([name]) => name.startsWith('x-oss-meta-'))
    .reduce((sum, [name, value]) => sum + Buffer.byteLength(name) + Buffer.byteLength(value), 0)
  if (metadataBytes > MAX_METADATA_BYTES) {
    throw invalidArgument('x-oss-meta-*', '', 'The user metadata is larger than 8 KB.')
  }
  const storageClass = headers['x-oss-storage-class'] ?? 'Standard'
  if (!STORAGE_CLASSES.includes(storageClass)) {
    throw invalidArgument('x-oss-storage-class', storageClass, 'No such storage class.')
  }
  const algorithm = headers['x-oss-server-side-encryption']
  if (algorithm !== undefined && !ALGORITHMS.includes(algorithm)) {
    throw refusal('InvalidEncryptionAlgorithmError', {
      elements: { ArgumentName: 'x-oss-server-side-encryption', ArgumentValue: algorithm },
    })
  }
  if (headers['x-oss-tagging'] !== undefined) checkTags(headers['x-oss-tagging'])
  return { 'content-type': 'application/octet-stream', ...Object.fromEntries(stored) }
}

/** True for what the metadata directive of a copy decides about. */
export const isMetadata = (name: string): boolean =>
  STANDARD.includes(name) || name.startsWith('x-oss-meta-')

/** Throws InvalidTag for a tag that is not `key` or `key=value`. */
function checkTags(tagging: string): void {
  if (tagging === '' || tagging.split('&').every((tag) => /^[^=]+(=[^=]*)?$/.test(tag))) return
  throw refusal('InvalidTag', {
    ec: '0010-00000219',
    elements: { ArgumentName: 'x-oss-tagging' },
  })
}

/** The encryption that Initiate, UploadPart, Complete and Put repeat in their answers. Nothing is encrypted here. */
export const encryptionHeaders = (headers: WireHeaders): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => ENCRYPTION.includes(name)))

/** Reads x-oss-forbid-overwrite. Throws InvalidArgument for anything but `true` and `false`. */
export function readPutOptions(headers: WireHeaders): PutOptions {
  const value = headers['x-oss-forbid-overwrite'] ?? 'false'
  if (value !== 'true' && value !== 'false') {
    const message = 'x-oss-forbid-overwrite must be true or false.'
    throw invalidArgument('x-oss-forbid-overwrite', value, message, '0017-00000279')
  }
  return { forbidOverwrite: value === 'true' }
}

/** The headers that GET and HEAD answer, with the `response-*` overrides of the signed query. */
export function answerHeaders(manifest: ObjectManifest, query: WireQuery): Record<string, string> {
  const visible = Object.entries(manifest.headers).filter(([name]) => !HIDDEN.includes(name))
  const tags = manifest.headers['x-oss-tagging']
  return {
    'x-oss-storage-class': 'Standard',
    ...Object.fromEntries(visible),
    ...readOverrides(query),
    ...(tags ? { 'x-oss-tagging-count': String(tags.split('&').length) } : {}),
    etag: manifest.etag,
    'last-modified': new Date(manifest.lastModified).toUTCString(),
    'accept-ranges': 'bytes',
    ...md5Header(manifest),
    'x-oss-object-type': manifest.kind,
    'x-oss-hash-crc64ecma': manifest.crc64,
  }
}

/** The ETag of a normal object is its MD5; that of a multipart object is not. */
const md5Header = ({ kind, etag }: ObjectManifest): Record<string, string> =>
  kind === 'Normal'
    ? { 'content-md5': Buffer.from(etag.replaceAll('"', ''), 'hex').toString('base64') }
    : {}

function readOverrides(query: WireQuery): Record<string, string> {
  const overrides: Record<string, string> = {}
  for (const name of STANDARD) {
    const value = query.get(`response-${name}`)
    if (value === undefined) continue
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they would split the header of the answer
    if (/[\u0000-\u0008\u000a-\u001f\u007f]/.test(value)) {
      throw invalidArgument(`response-${name}`, '', 'Control characters are not allowed.')
    }
    overrides[name] = value
  }
  return overrides
}

/** Makes a browser save the bytes, so that an upload never runs as a page of this origin. */
export function forceDownload(headers: Record<string, string>): Record<string, string> {
  const disposition = headers['content-disposition'] ?? ''
  const parameters = disposition.includes(';') ? disposition.slice(disposition.indexOf(';')) : ''
  return {
    ...headers,
    'content-disposition': /^\s*attachment\s*(;|$)/i.test(disposition)
      ? disposition
      : `attachment${parameters}`,
    'x-content-type-options': 'nosniff',
    'content-security-policy': 'sandbox',
  }
}
