// OSS signature V4 (OSS4-HMAC-SHA256), stage by stage: canonical request, string to sign, key, signature.
// Pure: the time is an argument. Source: Alibaba Cloud OSS, "Include a V4 signature in the Authorization header"
// and "Add a V4 signature to a URL".
import { hex, percentEncode, percentEncodePath } from '../bytes/encoding.ts'
import { hmacSha256, sha256Hex } from '../bytes/sha256.ts'

export const OSS4_ALGORITHM = 'OSS4-HMAC-SHA256'
export const UNSIGNED_PAYLOAD = 'UNSIGNED-PAYLOAD'

export interface Oss4Credentials {
  accessKeyId: string
  secretAccessKey: string
  sessionToken?: string
}

/** A request in decoded form. `query` pairs with value '' are parameters without a value. */
export interface Oss4Request {
  method: string
  /** Absent for a service-level request. */
  bucket?: string
  /** The object key, not encoded; absent or '' for a bucket-level request. */
  key?: string
  query: ReadonlyArray<readonly [name: string, value: string]>
  headers: Readonly<Record<string, string>>
  /** Headers to sign besides content-type, content-md5 and x-oss-*. */
  additionalHeaders?: readonly string[]
}

/** Where and when a signature is valid. `dateTime` is `YYYYMMDDTHHMMSSZ`, `region` has no `oss-` prefix. */
export interface Oss4Scope {
  dateTime: string
  region: string
  product?: string
}

/** The basic ISO 8601 form that OSS uses: `20231216T162057Z`. */
export const oss4DateTime = (date: Date): string =>
  `${date.toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}Z`

const signedByDefault = (name: string): boolean =>
  name === 'content-type' || name === 'content-md5' || name.startsWith('x-oss-')

/** Lower-case, sorted, unique. Omits headers that are signed anyway or absent. */
export function additionalHeaderNames(
  request: Pick<Oss4Request, 'headers' | 'additionalHeaders'>,
): string[] {
  const present = new Set(Object.keys(request.headers).map((name) => name.toLowerCase()))
  const names = (request.additionalHeaders ?? []).map((name) => name.toLowerCase())
  return [...new Set(names)].filter((name) => present.has(name) && !signedByDefault(name)).sort()
}

export function canonicalUri({ bucket, key }: Pick<Oss4Request, 'bucket' | 'key'>): string {
  if (!bucket) return '/'
  return percentEncodePath(`/${bucket}/${key ?? ''}`)
}

/** Sorted by the *encoded* name; a parameter without value is its bare name. */
export function canonicalQuery(query: Oss4Request['query']): string {
  return query
    .filter(([name]) => name !== 'x-oss-signature')
    .map(([name, value]) => [percentEncode(name), percentEncode(value)] as const)
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([name, value]) => (value === '' ? name : `${name}=${value}`))
    .join('&')
}

/** The last three parts of a canonical request: signed headers, names of additional headers, hash of the payload. */
export function canonicalHeaders(
  given: Oss4Request['headers'],
  additional: readonly string[],
): string {
  const headers = Object.entries(given)
    .map(([name, value]) => [name.toLowerCase(), value.trim()] as const)
    .filter(([name]) => signedByDefault(name) || additional.includes(name))
    .sort(([a], [b]) => (a < b ? -1 : 1))
  const payloadHash =
    headers.find(([name]) => name === 'x-oss-content-sha256')?.[1] ?? UNSIGNED_PAYLOAD
  const lines = headers.map(([name, value]) => `${name}:${value}\n`).join('')
  return `${lines}\n${additional.join(';')}\n${payloadHash}`
}

export const canonicalRequest = (request: Oss4Request): string =>
  [
    request.method.toUpperCase(),
    canonicalUri(request),
    canonicalQuery(request.query),
    canonicalHeaders(request.headers, additionalHeaderNames(request)),
  ].join('\n')

export const credentialScope = ({ dateTime, region, product = 'oss' }: Oss4Scope): string =>
  `${dateTime.slice(0, 8)}/${region}/${product}/aliyun_v4_request`

/** The common start of all strings to sign of a scope, before the hash of the canonical request. */
export const stringToSignHead = (scope: Oss4Scope): string =>
  `${OSS4_ALGORITHM}\n${scope.dateTime}\n${credentialScope(scope)}\n`

export const stringToSign = (scope: Oss4Scope, canonical: string): string =>
  stringToSignHead(scope) + sha256Hex(canonical)

/** Depends on secret, UTC date, region and product only, so a caller may cache it for a day. Never log it. */
export function signingKey(secretAccessKey: string, scope: Oss4Scope): Uint8Array {
  const date = hmacSha256(`aliyun_v4${secretAccessKey}`, scope.dateTime.slice(0, 8))
  const region = hmacSha256(date, scope.region)
  const product = hmacSha256(region, scope.product ?? 'oss')
  return hmacSha256(product, 'aliyun_v4_request')
}

export const signature = (key: Uint8Array, toSign: string): string => hex(hmacSha256(key, toSign))

/** Signs by header. Returns all headers to send, with Authorization. */
export function signHeaders(
  request: Oss4Request,
  credentials: Oss4Credentials,
  scope: Oss4Scope,
  key = signingKey(credentials.secretAccessKey, scope),
): Record<string, string> {
  const headers: Record<string, string> = {
    ...request.headers,
    'x-oss-date': scope.dateTime,
    'x-oss-content-sha256': UNSIGNED_PAYLOAD,
    ...(credentials.sessionToken ? { 'x-oss-security-token': credentials.sessionToken } : {}),
  }
  const signed = { ...request, headers }
  const additional = additionalHeaderNames(signed)
  const parts = [
    `Credential=${credentials.accessKeyId}/${credentialScope(scope)}`,
    ...(additional.length ? [`AdditionalHeaders=${additional.join(';')}`] : []),
    `Signature=${signature(key, stringToSign(scope, canonicalRequest(signed)))}`,
  ]
  return { ...headers, authorization: `${OSS4_ALGORITHM} ${parts.join(',')}` }
}

/** Names the signer and the time, in a query or a form. */
export const signerFields = (
  { accessKeyId, sessionToken }: Oss4Credentials,
  scope: Oss4Scope,
): Record<string, string> => ({
  'x-oss-signature-version': OSS4_ALGORITHM,
  'x-oss-credential': `${accessKeyId}/${credentialScope(scope)}`,
  'x-oss-date': scope.dateTime,
  ...(sessionToken ? { 'x-oss-security-token': sessionToken } : {}),
})

/** The signer's parameters, without the signature. */
export const signerQuery = (
  credentials: Oss4Credentials,
  scope: Oss4Scope,
  expiresSeconds: number,
  additional: readonly string[],
): Array<readonly [name: string, value: string]> => [
  ...Object.entries(signerFields(credentials, scope)),
  ['x-oss-expires', String(expiresSeconds)],
  ...(additional.length ? [['x-oss-additional-headers', additional.join(';')] as const] : []),
]

/** Signs by query. Returns the encoded query with the signature last. `expiresSeconds` counts from `scope.dateTime`. */
export function signQuery(
  request: Oss4Request,
  credentials: Oss4Credentials,
  scope: Oss4Scope,
  expiresSeconds: number,
  key = signingKey(credentials.secretAccessKey, scope),
): string {
  const query = [
    ...request.query,
    ...signerQuery(credentials, scope, expiresSeconds, additionalHeaderNames(request)),
  ]
  const toSign = stringToSign(scope, canonicalRequest({ ...request, query }))
  return `${canonicalQuery(query)}&x-oss-signature=${signature(key, toSign)}`
}
