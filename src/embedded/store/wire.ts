// A request as received: path and query are percent-decoded once. Nothing is normalised, because the signature covers
// exactly these bytes.
import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import { fromBase64, fromUtf8 } from '../../bytes/encoding.ts'
import { invalidArgument, malformed, refusal } from './refusal.ts'

export type WireQuery = ReadonlyMap<string, string>
/** Names in lower case; repeated values are joined by a comma. */
export type WireHeaders = Readonly<Record<string, string>>

/** The bucket and key of a request. The key is '' for a request to the bucket. */
export interface Address {
  bucket: string
  key: string
}

export interface WireRequest {
  method: string
  rawPath: string
  /** Two readings if both host and path name the bucket. The signature decides between them. */
  addresses: Address[]
  query: WireQuery
  headers: WireHeaders
}

/** Throws a refusal if the request has no single meaning. */
export function readWire(message: IncomingMessage, bucket: string): WireRequest {
  const headers = readHeaders(message.rawHeaders)
  const target = (message.url ?? '/').replace(/^https?:\/\/[^/?#]*/i, '')
  const mark = target.indexOf('?')
  const rawPath = mark < 0 ? target : target.slice(0, mark)
  return {
    method: message.method ?? 'GET',
    rawPath,
    addresses: readAddresses(rawPath, headers.host ?? '', bucket),
    query: readQuery(mark < 0 ? '' : target.slice(mark + 1)),
    headers,
  }
}

const ONE_VALUE = ['authorization', 'host', 'content-length', 'content-type', 'content-md5', 'date']

function readHeaders(raw: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = Object.create(null)
  for (let index = 0; index < raw.length; index += 2) {
    const name = raw[index]!.toLowerCase()
    const value = textOf(Buffer.from(raw[index + 1]!, 'latin1')) ?? raw[index + 1]!
    // biome-ignore lint/suspicious/noControlCharactersInRegex: a lenient parser lets them through
    if (/[\u0000-\u0008\u000a-\u001f\u007f]/.test(value)) {
      throw invalidArgument(name, '', `The header ${name} holds a control character.`)
    }
    const previous = headers[name]
    if (previous !== undefined && ONE_VALUE.includes(name)) {
      throw invalidArgument(name, '', `The header ${name} is repeated.`)
    }
    headers[name] = previous === undefined ? value : `${previous},${value}`
  }
  return headers
}

/** A plus sign is a space, as in forms, because the Python SDK writes a prefix with spaces that way. */
function readQuery(raw: string): Map<string, string> {
  const query = new Map<string, string>()
  for (const pair of raw.replaceAll('+', ' ').split('&')) {
    if (pair === '') continue
    const equals = pair.indexOf('=')
    const name = percentDecode(equals < 0 ? pair : pair.slice(0, equals))
    const value = percentDecode(equals < 0 ? '' : pair.slice(equals + 1))
    if (name === undefined || value === undefined) {
      throw malformed('The query is not percent-encoded UTF-8.')
    }
    if (query.has(name)) throw malformed('A query parameter is repeated.')
    query.set(name, value)
  }
  return query
}

/**
 * Path style puts the bucket first in the path, virtual-hosted style in the first label of the host. `ali-oss` with
 * `sldEnable` and an IP endpoint does both, so a path that starts with the bucket's name is read both ways.
 */
function readAddresses(rawPath: string, host: string, bucket: string): Address[] {
  const path = decodePath(rawPath.slice(1))
  // The C SDK encodes this slash, too.
  const slash = path.indexOf('/')
  const first = slash < 0 ? path : path.slice(0, slash)
  const inPath = { bucket: first, key: slash < 0 ? '' : path.slice(slash + 1) }
  const name = host.replace(/:\d+$/, '').toLowerCase()
  const virtual = isIP(name) === 0 && name.startsWith(`${bucket}.`)
  if (!virtual) return [inPath]
  const hosted = { bucket, key: path }
  return first === bucket ? [inPath, hosted] : [hosted]
}

function decodePath(raw: string): string {
  const text = percentDecode(raw)
  if (text === undefined) {
    throw refusal('InvalidObjectName', { message: 'The path is not percent-encoded UTF-8.' })
  }
  return text
}

/** Undefined for a lone percent sign or for bytes that are not UTF-8. Keeps plus signs. */
export function percentDecode(raw: string): string | undefined {
  if (/%(?![0-9A-Fa-f]{2})/.test(raw)) return undefined
  const binary = raw.replace(/%(..)/g, (_, digits) => String.fromCharCode(parseInt(digits, 16)))
  return textOf(Buffer.from(binary, 'latin1'))
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function textOf(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes)
  } catch {
    return undefined
  }
}

/** Decodes the base64 of a JSON object. Undefined for anything else. */
export function parseBase64Object(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(fromUtf8(fromBase64(text)!))
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
    return isObject ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

/** The path-style URL of an object. */
export const locationOf = (store: { url: () => string; bucket: string }, key: string): string =>
  `${store.url()}/${store.bucket}/${key.split('/').map(encodeURIComponent).join('/')}`

/** Applies the rules of OSS for object names, which allow control characters. Throws InvalidObjectName. */
export function checkKey(key: string): void {
  const bytes = Buffer.byteLength(key)
  if (bytes < 1 || bytes > 1023 || /^[/\\]/.test(key)) throw refusal('InvalidObjectName')
}

/** Undefined for a chunked body, beside which the C SDK sends a Content-Length of 0. Any other length binds the body. */
export function readLength(headers: WireHeaders): number | undefined {
  const length = headers['content-length']
  const chunked = headers['transfer-encoding'] !== undefined
  return length === undefined || (chunked && Number(length) === 0) ? undefined : Number(length)
}
