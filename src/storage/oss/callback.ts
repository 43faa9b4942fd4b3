// Verifies and reads callbacks of OSS. Pure: makes no request. A valid signature is necessary but not sufficient, because the
// key has 512 bits and signs for every customer of OSS.
import {
  base64,
  concatBytes,
  fromBase64,
  fromUtf8,
  isStorable,
  utf8,
} from '../../bytes/encoding.ts'
import type { RawRequest, StoreCallback } from '../../core/ports/object-store.ts'
import { wholeNumber } from '../rest/values.ts'
import { verifyRsaMd5 } from './md5.ts'

/**
 * The key that OSS publishes at gosspublic.alicdn.com/callback_pub_key_v1.pem, pinned. Its documentation ("Upload
 * callbacks", Alibaba Cloud OSS) says that the content never changes; captures from 2015 to 2021 verify under it.
 */
export const OSS_CALLBACK_PUBLIC_KEY = `-----BEGIN PUBLIC KEY-----
MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAKs/JBGzwUB2aVht4crBx3oIPBLNsjGs
C0fTXv+nvlmklvkcolvpvXLTjaxUHR3W9LXxQ2EHXAJfCB+6H2YF1k8CAwEAAQ==
-----END PUBLIC KEY-----
`

const KEY_HOST = 'gosspublic.alicdn.com'
const KEY_PATH = '/callback_pub_key_v1.pem'
const MAX_BODY_BYTES = 64 * 1024
const PERCENT = 0x25

/**
 * True if the store signed this request (signature version 1.0). No request of a sender makes it throw.
 * With `embeddedKeyPem`, the embedded store's own key in SPKI PEM, x-oss-pub-key-url is ignored.
 */
export function verifyOssCallback(request: RawRequest, embeddedKeyPem?: string): boolean {
  const { method, headers } = request
  const version = headers.get('x-oss-signature-version')
  if (method !== 'POST' || (version !== null && version !== '1.0')) return false
  if (embeddedKeyPem === undefined && !callbackKeyUrlAllowed(headers.get('x-oss-pub-key-url'))) {
    return false
  }
  const signature = fromBase64Strictly(headers.get('authorization'))
  const message = callbackStringToSign(request)
  if (!signature || !message) return false
  return verifyRsaMd5(embeddedKeyPem ?? OSS_CALLBACK_PUBLIC_KEY, message, signature)
}

/**
 * True if x-oss-pub-key-url names the pinned key. No key URL is ever fetched, so that a forged callback causes no outgoing
 * request.
 */
export function callbackKeyUrlAllowed(headerValue: string | null): boolean {
  const bytes = fromBase64Strictly(headerValue)
  if (!bytes) return false
  let url: URL
  try {
    url = new URL(fromUtf8(bytes))
  } catch {
    return false
  }
  return (
    (url.protocol === 'https:' || url.protocol === 'http:') &&
    // Excludes userinfo, port, query and fragment.
    url.href === `${url.protocol}//${KEY_HOST}${KEY_PATH}`
  )
}

/**
 * Percent-decoded path, query as received, LF, body as received ("Upload callbacks", signature 1.0). The path is
 * decoded to bytes, `+` stays. Undefined if its percent-encoding is malformed.
 */
export function callbackStringToSign(request: RawRequest): Uint8Array | undefined {
  const path = percentDecodeBytes(request.rawPath)
  if (!path) return undefined
  return concatBytes([path, utf8(`${request.rawQuery}\n`), request.body])
}

/** Undefined for a body that `parseCallbackBody` cannot read. Believes nothing: `verifyOssCallback` checks the signature. */
export function readOssCallback({
  headers,
  body,
}: Pick<RawRequest, 'headers' | 'body'>): StoreCallback | undefined {
  const fields = parseCallbackBody(headers.get('content-type'), body)
  return (
    fields && {
      token: fields.token,
      requestId: fields.reqId,
      bucket: fields.bucket,
      key: fields.object,
      sizeBytes: wholeNumber(fields.size),
      etag: fields.etag,
    }
  )
}

type CallbackFields = Record<string, string>

/**
 * The fields of a callback's body: a flat JSON object of strings and numbers, or a form. A number keeps its digits, so
 * that a CRC64 beyond 2^53 stays exact. The object has no prototype. Undefined for anything else: another media type, more
 * than 64 KiB, a repeated or nested field, text that a database cannot store (NUL, lone surrogates).
 */
export function parseCallbackBody(
  contentType: string | null,
  body: Uint8Array,
): CallbackFields | undefined {
  if (body.length > MAX_BODY_BYTES) return undefined
  const mediaType = contentType?.split(';', 1)[0]?.trim().toLowerCase()
  const read = mediaType === undefined ? undefined : READERS.get(mediaType)
  try {
    return read ? fieldsOf(read(fromUtf8(body))) : undefined
  } catch {
    // JSON.parse, the UTF-8 decoder or decodeURIComponent found malformed input.
    return undefined
  }
}

type Pairs = Array<[name: string, value: string]>

const READERS: ReadonlyMap<string, (text: string) => Pairs | undefined> = new Map([
  ['application/json', readJson],
  ['application/x-www-form-urlencoded', readForm],
])

function fieldsOf(pairs: Pairs | undefined): CallbackFields | undefined {
  if (!pairs) return undefined
  const fields: CallbackFields = Object.create(null)
  for (const [name, value] of pairs) {
    if (name === '' || name in fields || !isStorable(name + value)) return undefined
    fields[name] = value
  }
  return fields
}

/** One member of a flat object whose syntax JSON.parse has accepted: a string, a colon, a string or a number. */
const MEMBER = /\s*("(?:[^"\\]|\\.)*")\s*:\s*("(?:[^"\\]|\\.)*"|-?[\d.eE+-]+)\s*[,}]/y

function readJson(text: string): Pairs | undefined {
  const object: unknown = JSON.parse(text)
  if (typeof object !== 'object' || object === null || Array.isArray(object)) return undefined
  const pairs: Pairs = []
  const end = text.trimEnd().length
  const member = new RegExp(MEMBER)
  member.lastIndex = text.indexOf('{') + 1
  if (!Object.keys(object).length) return pairs
  while (member.lastIndex < end) {
    const [, name, value] = member.exec(text) ?? []
    if (name === undefined || value === undefined) return undefined
    pairs.push([JSON.parse(name), value.startsWith('"') ? JSON.parse(value) : value])
  }
  return pairs
}

function readForm(text: string): Pairs | undefined {
  if (text === '') return []
  return text.split('&').map((pair) => {
    const equals = pair.indexOf('=')
    return equals < 0
      ? [formText(pair), '']
      : [formText(pair.slice(0, equals)), formText(pair.slice(equals + 1))]
  })
}

const formText = (text: string) => decodeURIComponent(text.replaceAll('+', ' '))

/** Accepts base64 in its canonical spelling only. */
function fromBase64Strictly(text: string | null): Uint8Array | undefined {
  const bytes = text ? fromBase64(text) : undefined
  return bytes && base64(bytes) === text ? bytes : undefined
}

/** To bytes, because a decoded path may not be UTF-8. */
function percentDecodeBytes(text: string): Uint8Array | undefined {
  if (/%(?![0-9A-Fa-f]{2})/.test(text)) return undefined
  const encoded = utf8(text)
  const decoded = new Uint8Array(encoded.length)
  let size = 0
  for (let at = 0; at < encoded.length; at++) {
    if (encoded[at] === PERCENT) {
      decoded[size++] = Number.parseInt(String.fromCharCode(encoded[at + 1]!, encoded[at + 2]!), 16)
      at += 2
    } else {
      decoded[size++] = encoded[at]!
    }
  }
  return decoded.subarray(0, size)
}
