// AWS Signature Version 4, stage by stage: canonical request, string to sign, key, signature. Pure: the time is an argument.
// Source: AWS, "Signature Version 4 signing process"; Amazon S3 API reference, "Authenticating Requests".
import { hex, percentEncode, percentEncodePath } from '../bytes/encoding.ts'
import { hmacSha256, sha256Hex } from '../bytes/sha256.ts'

const SIGV4_ALGORITHM = 'AWS4-HMAC-SHA256'
export const UNSIGNED_PAYLOAD = 'UNSIGNED-PAYLOAD'

export interface Sigv4Credentials {
  accessKeyId: string
  secretAccessKey: string
  sessionToken?: string
}

/** A request in decoded form. Every header is signed, and `host` besides. */
export interface Sigv4Request {
  method: string
  /** With the port, unless it is the scheme's own. */
  host: string
  /** Not encoded. S3 encodes it once, and keeps double slashes and dot segments. */
  path: string
  query: ReadonlyArray<readonly [name: string, value: string]>
  headers: Readonly<Record<string, string>>
}

/** Where and when a signature is valid. `dateTime` is `YYYYMMDDTHHMMSSZ`. */
export interface Sigv4Scope {
  dateTime: string
  region: string
  /** `s3` unless given. */
  service?: string
}

/** The basic ISO 8601 form: `20130524T000000Z`. */
export const sigv4DateTime = (date: Date): string =>
  `${date.toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}Z`

/** Sorted by encoded name, then by encoded value. A parameter without a value is written `name=`. */
export function canonicalQuery(query: Sigv4Request['query']): string {
  return query
    .filter(([name]) => name !== 'X-Amz-Signature')
    .map(([name, value]) => [percentEncode(name), percentEncode(value)] as const)
    .sort(([a, x], [b, y]) => compare(a, b) || compare(x, y))
    .map(([name, value]) => `${name}=${value}`)
    .join('&')
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

interface CanonicalHeaders {
  /** Each line ends with LF. */
  lines: string
  /** The names, joined by `;`. */
  names: string
}

export function canonicalHeaders(host: string, headers: Sigv4Request['headers']): CanonicalHeaders {
  const sorted = Object.entries({ ...headers, host })
    .map(([name, value]) => [name.toLowerCase(), value.trim().replace(/\s+/g, ' ')] as const)
    .sort(([a], [b]) => compare(a, b))
  return {
    lines: sorted.map(([name, value]) => `${name}:${value}\n`).join(''),
    names: sorted.map(([name]) => name).join(';'),
  }
}

/** `payload` is the hex SHA-256 of the body, or UNSIGNED-PAYLOAD. */
export function canonicalRequest(request: Sigv4Request, payload: string): string {
  const { lines, names } = canonicalHeaders(request.host, request.headers)
  const path = percentEncodePath(request.path)
  return [request.method, path, canonicalQuery(request.query), lines, names, payload].join('\n')
}

const credentialScope = ({ dateTime, region, service = 's3' }: Sigv4Scope): string =>
  `${dateTime.slice(0, 8)}/${region}/${service}/aws4_request`

/** The common start of all strings to sign of a scope, before the hash of the canonical request. */
export const stringToSignHead = (scope: Sigv4Scope): string =>
  `${SIGV4_ALGORITHM}\n${scope.dateTime}\n${credentialScope(scope)}\n`

export const stringToSign = (scope: Sigv4Scope, canonical: string): string =>
  stringToSignHead(scope) + sha256Hex(canonical)

/** Depends on secret, UTC date, region and service only, so a caller may cache it for a day. Never log it. */
export function signingKey(secretAccessKey: string, scope: Sigv4Scope): Uint8Array {
  const date = hmacSha256(`AWS4${secretAccessKey}`, scope.dateTime.slice(0, 8))
  const region = hmacSha256(date, scope.region)
  const service = hmacSha256(region, scope.service ?? 's3')
  return hmacSha256(service, 'aws4_request')
}

export const signature = (key: Uint8Array, toSign: string): string => hex(hmacSha256(key, toSign))

/** The header or field that names the session of temporary credentials. Empty for a long-lived key. */
const sessionHeader = ({ sessionToken }: Sigv4Credentials): Record<string, string> =>
  sessionToken ? { 'x-amz-security-token': sessionToken } : {}

/**
 * Signs by header. Returns all headers to send, with Authorization, but without `host`. `payload` is the hex SHA-256 of the
 * body. S3 wants it in a header of its own; other services do not.
 */
export function signHeaders(
  request: Sigv4Request,
  payload: string,
  credentials: Sigv4Credentials,
  scope: Sigv4Scope,
  key = signingKey(credentials.secretAccessKey, scope),
): Record<string, string> {
  const isS3 = (scope.service ?? 's3') === 's3'
  const headers = {
    ...request.headers,
    'x-amz-date': scope.dateTime,
    ...(isS3 ? { 'x-amz-content-sha256': payload } : {}),
    ...sessionHeader(credentials),
  }
  const signed = { ...request, headers }
  const { names } = canonicalHeaders(request.host, headers)
  const toSign = stringToSign(scope, canonicalRequest(signed, payload))
  const parts = [
    `Credential=${credentials.accessKeyId}/${credentialScope(scope)}`,
    `SignedHeaders=${names}`,
    `Signature=${signature(key, toSign)}`,
  ]
  return { ...headers, authorization: `${SIGV4_ALGORITHM} ${parts.join(',')}` }
}

/** Names the signer and the time, in a query or a form. */
const signerFields = (
  { accessKeyId, sessionToken }: Sigv4Credentials,
  scope: Sigv4Scope,
): Record<string, string> => ({
  'X-Amz-Algorithm': SIGV4_ALGORITHM,
  'X-Amz-Credential': `${accessKeyId}/${credentialScope(scope)}`,
  'X-Amz-Date': scope.dateTime,
  ...(sessionToken ? { 'X-Amz-Security-Token': sessionToken } : {}),
})

/** The signer's parameters, without the signature. `names` are the signed headers. */
export const signerQuery = (
  credentials: Sigv4Credentials,
  scope: Sigv4Scope,
  expiresSeconds: number,
  names: string,
): Array<readonly [name: string, value: string]> => [
  ...Object.entries(signerFields(credentials, scope)),
  ['X-Amz-Expires', String(expiresSeconds)],
  ['X-Amz-SignedHeaders', names],
]

/**
 * Signs by query, for a body that the signer does not know. Returns the encoded query with the signature last. `expiresSeconds`
 * counts from `scope.dateTime`.
 */
export function signQuery(
  request: Sigv4Request,
  credentials: Sigv4Credentials,
  scope: Sigv4Scope,
  expiresSeconds: number,
  key = signingKey(credentials.secretAccessKey, scope),
): string {
  const { names } = canonicalHeaders(request.host, request.headers)
  const query = [...request.query, ...signerQuery(credentials, scope, expiresSeconds, names)]
  const toSign = stringToSign(scope, canonicalRequest({ ...request, query }, UNSIGNED_PAYLOAD))
  return `${canonicalQuery(query)}&X-Amz-Signature=${signature(key, toSign)}`
}
