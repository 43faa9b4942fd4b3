// Signature V4, in the Authorization header or in the query, recomputed over the bytes received.
// Source: Alibaba Cloud OSS, "Include a V4 signature in the Authorization header", "Add a V4 signature to a URL".
import {
  canonicalRequest,
  OSS4_ALGORITHM,
  oss4DateTime,
  signature,
  signingKey,
  stringToSign,
} from '../../../signing/oss4.ts'
import { denied, malformed } from '../refusal.ts'
import type { Keyholder } from '../sts/keyring.ts'
import type { WireHeaders, WireQuery, WireRequest } from '../wire.ts'
import { checkSkew, matchAddress, type SignatureContext, SKEW_MS, type Verified } from './match.ts'

const MAX_EXPIRES_SECONDS = 604_800
export const ANONYMOUS = 'Anonymous access is forbidden for this operation.'

interface Provided {
  credential: string
  dateTime: string
  /** The time as the client signed it, if its text is not `dateTime`. */
  dateText?: string
  additionalHeaders: string[]
  signature: string
}

export const isV4Url = (query: WireQuery): boolean =>
  ['x-oss-signature', 'x-oss-signature-version', 'x-oss-credential'].some((name) => query.has(name))

export function verifyV4(request: WireRequest, context: SignatureContext): Verified {
  const { method, headers, query, addresses } = request
  const provided = readSignature(request, context.clock())
  const { dateTime, dateText = dateTime, additionalHeaders } = provided
  const absent = additionalHeaders.find((name) => headers[name.toLowerCase()] === undefined)
  if (absent !== undefined) {
    throw malformed(`The additional header ${absent} is not in the request.`, '0002-00000211')
  }
  // A token in a header is not covered by the signature of a URL, and the other way round.
  const token =
    headers.authorization === undefined
      ? query.get('x-oss-security-token')
      : headers['x-oss-security-token']
  const holder = checkCredential(provided, token, context)
  const scope = { dateTime, region: context.region }
  const key = signingKey(holder.secretAccessKey, scope)
  return matchAddress(addresses, holder, provided.signature, (address) => {
    const signed = { method, ...address, query: [...query], headers, additionalHeaders }
    const canonical = canonicalRequest(signed)
    const toSign = stringToSign(scope, canonical).replace(`\n${dateTime}\n`, `\n${dateText}\n`)
    return { canonical, toSign, signature: signature(key, toSign) }
  })
}

function readSignature({ headers, query }: WireRequest, now: Date): Provided {
  if (headers.authorization !== undefined) return readHeader(headers.authorization, headers, now)
  if (isV4Url(query)) return readUrl(query, now)
  throw denied(ANONYMOUS)
}

/** Accepts spaces after the commas and any order, because official SDKs differ. */
function readHeader(authorization: string, headers: WireHeaders, now: Date): Provided {
  const [algorithm, rest] = splitOnce(authorization.trim(), ' ')
  if (algorithm !== OSS4_ALGORITHM) {
    throw malformed('Signature versions 1 (OSS) and 4 (OSS4-HMAC-SHA256) are accepted.')
  }
  const fields = new Map<string, string>()
  for (const field of rest.split(',')) {
    const [name, value] = splitOnce(field.trim(), '=')
    if (!['Credential', 'AdditionalHeaders', 'Signature'].includes(name) || fields.has(name)) {
      throw malformed('The Authorization header is malformed.')
    }
    fields.set(name, value)
  }
  const credential = fields.get('Credential')
  const signature = fields.get('Signature')
  if (!credential || !signature) throw malformed('The Authorization header is malformed.')
  const dateText = headers['x-oss-date'] ?? headers.date ?? ''
  const dateTime = headers['x-oss-date'] ?? toDateTime(dateText)
  const time = parseDateTime(dateTime)
  if (time === undefined) {
    throw denied('OSS authentication requires a valid Date or x-oss-date.', '0002-00000503')
  }
  checkSkew(dateTime, time, now)
  const additionalHeaders = splitNames(fields.get('AdditionalHeaders'))
  return { credential, dateTime, dateText, signature, additionalHeaders }
}

function readUrl(query: WireQuery, now: Date): Provided {
  if (query.get('x-oss-signature-version') !== OSS4_ALGORITHM) {
    throw malformed('x-oss-signature-version must be OSS4-HMAC-SHA256.')
  }
  const credential = query.get('x-oss-credential')
  const signature = query.get('x-oss-signature')
  const dateTime = query.get('x-oss-date') ?? ''
  const time = parseDateTime(dateTime)
  if (!credential || !signature) throw malformed('x-oss-credential or x-oss-signature is missing.')
  if (time === undefined) throw malformed('x-oss-date must be like 20231216T162057Z.')
  const expires = query.get('x-oss-expires')
  if (!expires) throw denied('x-oss-expires is missing.', '0002-00000215')
  const seconds = /^\d{1,9}$/.test(expires) ? Number(expires) : 0
  if (seconds < 1 || seconds > MAX_EXPIRES_SECONDS) {
    throw denied('x-oss-expires must be 1 to 604800 seconds.', '0002-00000232')
  }
  if (now.getTime() < time - SKEW_MS || now.getTime() > time + seconds * 1000) {
    throw denied('Request has expired.', '0002-00000236')
  }
  const additionalHeaders = splitNames(query.get('x-oss-additional-headers'))
  return { credential, dateTime, signature, additionalHeaders }
}

/** Finds the holder of the key that a credential names. Throws a refusal. */
export function checkCredential(
  { credential, dateTime }: Pick<Provided, 'credential' | 'dateTime'>,
  token: string | undefined,
  { keyring, region }: SignatureContext,
): Keyholder {
  const [id, date, signedRegion, product, terminator, ...more] = credential.split('/')
  if (terminator === undefined || more.length > 0) throw malformed('The credential is malformed.')
  const holder = keyring.holder(id!, token)
  if (date !== dateTime.slice(0, 8)) throw malformed('Invalid signing date in credential.')
  if (signedRegion !== region) throw malformed(`Invalid signing region, this is ${region}.`)
  if (product !== 'oss') throw malformed('Invalid signing product in credential.')
  if (terminator !== 'aliyun_v4_request') throw malformed('Invalid terminator in credential.')
  return holder
}

const splitNames = (list = ''): string[] => list.split(';').filter((name) => name !== '')

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator)
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)]
}

/** The Go SDK v3 and ossutil sign V4 with the RFC 1123 text of Date and send no x-oss-date. */
const toDateTime = (date: string): string =>
  /^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/.test(date) && !Number.isNaN(Date.parse(date))
    ? oss4DateTime(new Date(date))
    : date

/** Milliseconds of `20231216T162057Z`. Undefined if the text is not such a time. */
export function parseDateTime(text: string): number | undefined {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text)
  if (!match) return undefined
  const [, year, month, day, hour, minute, second] = match
  const time = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`)
  return Number.isNaN(time) || oss4DateTime(new Date(time)) !== text ? undefined : time
}
