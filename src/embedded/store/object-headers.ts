// Which request headers become part of an object, and how they come back with GET and HEAD.
import type { ObjectManifest } from './disk/records.ts'
import { invalidArgument, refusal } from './refusal.ts'

const ENCRYPTION = [
  'x-oss-server-side-encryption',
  'x-oss-server-side-encryption-key-id',
  'x-oss-server-side-data-encryption',
]
const KEPT = [
  'content-type',
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'expires',
  'x-oss-storage-class',
  'x-oss-object-acl',
  'x-oss-tagging',
  ...ENCRYPTION,
]
/** Kept, but not told by GET and HEAD. */
const SILENT = ['x-oss-object-acl', 'x-oss-tagging']

const STORAGE_CLASSES = ['Standard', 'IA', 'Archive', 'ColdArchive', 'DeepColdArchive']
const ALGORITHMS = ['AES256', 'KMS', 'SM4']
const MAX_METADATA_BYTES = 8 * 1024
const OVERRIDABLE = [
  'content-type',
  'content-language',
  'expires',
  'cache-control',
  'content-disposition',
  'content-encoding',
]

/** Throws a refusal for a storage class or encryption that does not exist, and for more than 8 KB of user metadata. */
export function keptHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
  const kept = Object.entries(headers).filter(
    ([name]) => KEPT.includes(name) || name.startsWith('x-oss-meta-'),
  )
  const metadataBytes = kept
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
  return { 'content-type': 'application/octet-stream', ...Object.fromEntries(kept) }
}

/** How an object is encrypted, as the answers to Initiate, UploadPart, Complete and Put repeat it. Nothing is encrypted here. */
export const encryptionHeaders = (
  headers: Readonly<Record<string, string>>,
): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => ENCRYPTION.includes(name)))

/** The header x-oss-forbid-overwrite; only `true` and `false` are values. */
export function forbidsOverwrite(headers: Readonly<Record<string, string>>): boolean {
  const value = headers['x-oss-forbid-overwrite'] ?? 'false'
  if (value !== 'true' && value !== 'false') {
    const message = 'x-oss-forbid-overwrite must be true or false.'
    throw invalidArgument('x-oss-forbid-overwrite', value, message, '0017-00000279')
  }
  return value === 'true'
}

/** The headers of GET and HEAD, with the overrides `response-*` of the signed query. */
export function objectHeaders(
  manifest: ObjectManifest,
  query: ReadonlyMap<string, string>,
): Record<string, string> {
  const stored = Object.entries(manifest.headers).filter(([name]) => !SILENT.includes(name))
  const tags = manifest.headers['x-oss-tagging']
  return {
    'x-oss-storage-class': 'Standard',
    ...Object.fromEntries(stored),
    ...overrides(query),
    ...(tags ? { 'x-oss-tagging-count': String(tags.split('&').length) } : {}),
    etag: manifest.etag,
    'last-modified': new Date(manifest.lastModified).toUTCString(),
    'accept-ranges': 'bytes',
    'x-oss-object-type': manifest.kind,
    'x-oss-hash-crc64ecma': manifest.crc64,
  }
}

function overrides(query: ReadonlyMap<string, string>): Record<string, string> {
  const result: Record<string, string> = {}
  for (const name of OVERRIDABLE) {
    const value = query.get(`response-${name}`)
    if (value === undefined) continue
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they would split the answer's header
    if (/[\u0000-\u0008\u000a-\u001f\u007f]/.test(value)) {
      throw invalidArgument(`response-${name}`, '', 'Control characters are not allowed.')
    }
    result[name] = value
  }
  return result
}

/** Uploaded bytes are never shown as a page of this origin: saved, not sniffed, and without scripts. */
export function safeToServe(headers: Record<string, string>): Record<string, string> {
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

/** If-Match, If-None-Match and their dates (RFC 9110 §13.2.2). */
export function checkConditions(
  manifest: ObjectManifest,
  headers: Readonly<Record<string, string>>,
): void {
  const modified = Math.floor(Date.parse(manifest.lastModified) / 1000) * 1000
  const ifMatch = headers['if-match']
  const ifNoneMatch = headers['if-none-match']
  const unmodifiedSince = Date.parse(headers['if-unmodified-since'] ?? '')
  const modifiedSince = Date.parse(headers['if-modified-since'] ?? '')
  if (ifMatch !== undefined ? !matches(ifMatch, manifest.etag) : modified > unmodifiedSince) {
    throw refusal('PreconditionFailed')
  }
  if (ifNoneMatch !== undefined ? matches(ifNoneMatch, manifest.etag) : modified <= modifiedSince) {
    throw refusal('NotModified', { headers: { etag: manifest.etag } })
  }
}

/** Whether a list of entity tags names this one; quotes and case do not matter. */
export function matches(list: string, etag: string): boolean {
  const plain = (text: string) => text.trim().replace(/^W\//, '').replaceAll('"', '').toUpperCase()
  return list.trim() === '*' || list.split(',').some((one) => plain(one) === plain(etag))
}
