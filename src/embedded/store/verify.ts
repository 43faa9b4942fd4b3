// Verifies signatures over the bytes received: V4 here, in the Authorization header or in the query; V1 next door.
// Source: Alibaba Cloud OSS, "Include a V4 signature in the Authorization header", "Add a V4 signature to a URL".
import { equalInConstantTime } from '../../bytes/encoding.ts'
import {
  canonicalRequest,
  OSS4_ALGORITHM,
  oss4DateTime,
  signature,
  signingKey,
  stringToSign,
  UNSIGNED_PAYLOAD,
} from '../../signing/oss4.ts'
import { type Claim, mismatch, type Verified } from './claim.ts'
import { refusal } from './refusal.ts'
import type { Keyholder, Keyring } from './sts/keyring.ts'
import { isV1Header, isV1Url, v1Verifier } from './verify-v1.ts'
import type { WireRequest } from './wire.ts'

export const SKEW_MS = 15 * 60 * 1000
const MAX_EXPIRES_SECONDS = 604_800

export interface VerifyOptions {
  keyring: Keyring
  region: string
  clock: () => Date
}

/** Returns a function that gives what a right signature proves, or throws a refusal. */
export function verifier({ keyring, region, clock }: VerifyOptions) {
  const verifyV1 = v1Verifier({ keyring, clock })

  return function verify(request: WireRequest): Verified {
    checkSignedNames(request)
    if (speaksV1(request)) return verifyV1(request)
    const claim = readClaim(request, clock())
    const holder = checkCredential(claim, tokenOf(request), keyring, region)
    const scope = { dateTime: claim.dateTime, region }
    const key = signingKey(holder.secretAccessKey, scope)
    const attempts = request.addresses.map((address) => {
      const canonical = canonicalRequest({
        method: request.method,
        ...address,
        query: [...request.query],
        headers: request.headers,
        additionalHeaders: claim.additionalHeaders,
      })
      const toSign = withDateText(claim, stringToSign(scope, canonical))
      const right = equalInConstantTime(signature(key, toSign), claim.signature)
      return { address, canonical, toSign, right }
    })
    const found = attempts.find(({ right }) => right)
    if (found) return { address: found.address, holder }
    throw mismatch(claim, holder.accessKeyId, attempts[0]!)
  }
}

/** In the query of a URL it must not come as a header: it would not be what was signed. */
const tokenOf = ({ headers, query }: WireRequest): string | undefined =>
  headers.authorization === undefined
    ? query.get('x-oss-security-token')
    : headers['x-oss-security-token']

/** The Go SDK v3 and ossutil sign V4 with the RFC 1123 text of Date and send no x-oss-date. */
const isoOf = (date: string): string =>
  /^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/.test(date) && !Number.isNaN(Date.parse(date))
    ? oss4DateTime(new Date(date))
    : date

const withDateText = ({ dateTime, dateText = dateTime }: Claim, toSign: string): string =>
  toSign.replace(`\n${dateTime}\n`, `\n${dateText}\n`)

const inQuery = (query: WireRequest['query']) =>
  ['x-oss-signature', 'x-oss-signature-version', 'x-oss-credential'].some((name) => query.has(name))

/** Throws a refusal for a request that is signed twice. */
function speaksV1({ headers, query }: WireRequest): boolean {
  const { authorization } = headers
  if (authorization === undefined) return isV1Url(query) && !inQuery(query)
  if (inQuery(query) || isV1Url(query)) {
    throw malformed('Both a header and a query signature were given.')
  }
  return isV1Header(authorization)
}

function readClaim({ headers, query }: WireRequest, now: Date): Claim {
  if (headers.authorization !== undefined) {
    return readHeaderClaim(headers.authorization, headers, now)
  }
  if (inQuery(query)) return readQueryClaim(query, now)
  throw refusal('AccessDenied', { message: 'Anonymous access is forbidden for this operation.' })
}

/** Spaces after the commas and any order are accepted: official SDKs differ. */
function readHeaderClaim(authorization: string, headers: WireRequest['headers'], now: Date): Claim {
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
  const given = fields.get('Signature')
  if (!credential || !given) throw malformed('The Authorization header is malformed.')
  const dateText = headers['x-oss-date'] ?? headers.date ?? ''
  const dateTime = headers['x-oss-date'] ?? isoOf(dateText)
  const time = parseDateTime(dateTime)
  if (time === undefined) {
    const message = 'OSS authentication requires a valid Date or x-oss-date.'
    throw refusal('AccessDenied', { message, ec: '0002-00000503' })
  }
  if (Math.abs(now.getTime() - time) > SKEW_MS) throw skewed(dateTime, now)
  const additional = fields.get('AdditionalHeaders') ?? ''
  const additionalHeaders = headerNames(additional)
  return { credential, dateTime, dateText, signature: given, additionalHeaders }
}

function readQueryClaim(query: WireRequest['query'], now: Date): Claim {
  if (query.get('x-oss-signature-version') !== OSS4_ALGORITHM) {
    throw malformed('x-oss-signature-version must be OSS4-HMAC-SHA256.')
  }
  const credential = query.get('x-oss-credential')
  const given = query.get('x-oss-signature')
  const dateTime = query.get('x-oss-date') ?? ''
  const time = parseDateTime(dateTime)
  if (!credential || !given) throw malformed('x-oss-credential or x-oss-signature is missing.')
  if (time === undefined) throw malformed('x-oss-date must be like 20231216T162057Z.')
  const expires = query.get('x-oss-expires')
  if (!expires) {
    throw refusal('AccessDenied', { message: 'x-oss-expires is missing.', ec: '0002-00000215' })
  }
  const seconds = /^\d{1,9}$/.test(expires) ? Number(expires) : 0
  if (seconds < 1 || seconds > MAX_EXPIRES_SECONDS) {
    const message = 'x-oss-expires must be 1 to 604800 seconds.'
    throw refusal('AccessDenied', { message, ec: '0002-00000232' })
  }
  if (now.getTime() < time - SKEW_MS || now.getTime() > time + seconds * 1000) {
    throw refusal('AccessDenied', { message: 'Request has expired.', ec: '0002-00000236' })
  }
  const additional = query.get('x-oss-additional-headers') ?? ''
  return { credential, dateTime, signature: given, additionalHeaders: headerNames(additional) }
}

/** The holder of the key that a credential names. Throws a refusal. */
export function checkCredential(
  claim: Pick<Claim, 'credential' | 'dateTime'>,
  token: string | undefined,
  keyring: Keyring,
  region: string,
): Keyholder {
  const [id, date, signedRegion, product, terminator, ...more] = claim.credential.split('/')
  if (terminator === undefined || more.length > 0) throw malformed('The credential is malformed.')
  const holder = keyring.holder(id!, token)
  if (date !== claim.dateTime.slice(0, 8)) throw malformed('Invalid signing date in credential.')
  if (signedRegion !== region) throw malformed(`Invalid signing region, this is ${region}.`)
  if (product !== 'oss') throw malformed('Invalid signing product in credential.')
  if (terminator !== 'aliyun_v4_request') throw malformed('Invalid terminator in credential.')
  return holder
}

/** No name may stand in the query and in a signed header with two values; payload hashes are not offered. */
function checkSignedNames({ headers, query }: WireRequest): void {
  for (const [name, value] of query) {
    const header = name.startsWith('x-oss-') ? headers[name] : undefined
    if (header !== undefined && header !== value) {
      throw malformed('A parameter and a header of one name have different values.')
    }
  }
  const payload = headers['x-oss-content-sha256'] ?? UNSIGNED_PAYLOAD
  if (payload !== UNSIGNED_PAYLOAD)
    throw malformed('x-oss-content-sha256 must be UNSIGNED-PAYLOAD.')
}

const malformed = (message: string) => refusal('InvalidArgument', { message })

const skewed = (dateTime: string, now: Date) =>
  refusal('RequestTimeTooSkewed', {
    ec: '0002-00000504',
    elements: {
      MaxAllowedSkewMilliseconds: String(SKEW_MS),
      RequestTime: dateTime,
      ServerTime: now.toISOString(),
    },
  })

const headerNames = (list: string): string[] => list.split(';').filter((name) => name !== '')

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator)
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)]
}

export function parseDateTime(text: string): number | undefined {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text)
  if (!match) return undefined
  const [, year, month, day, hour, minute, second] = match
  const time = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`)
  return Number.isNaN(time) || oss4DateTime(new Date(time)) !== text ? undefined : time
}
