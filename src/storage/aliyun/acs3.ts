// ACS3-HMAC-SHA256, the signature of Alibaba Cloud's API calls (STS, Media Processing), stage by stage.
// Source: Alibaba Cloud, "V3 request syntax and signature". The key is the raw secret: nothing is derived.
import { hex, percentEncode } from '../../bytes/encoding.ts'
import { hmacSha256, sha256Hex } from '../../bytes/sha256.ts'
import type { Oss4Credentials } from '../../signing/oss4.ts'

export const ACS3_ALGORITHM = 'ACS3-HMAC-SHA256'

export interface Acs3Call {
  method: 'GET' | 'POST'
  host: string
  query: Readonly<Record<string, string>>
  action: string
  version: string
  /** `YYYY-MM-DDTHH:MM:SSZ` */
  date: string
  nonce: string
  body: string
  contentType?: string
}

/** All headers except Authorization. */
export function acs3Headers(
  call: Acs3Call,
  { sessionToken }: Pick<Oss4Credentials, 'sessionToken'>,
): Record<string, string> {
  return {
    host: call.host,
    ...(call.contentType ? { 'content-type': call.contentType } : {}),
    'x-acs-action': call.action,
    'x-acs-content-sha256': sha256Hex(call.body),
    'x-acs-date': call.date,
    ...(sessionToken ? { 'x-acs-security-token': sessionToken } : {}),
    'x-acs-signature-nonce': call.nonce,
    'x-acs-version': call.version,
  }
}

const isSigned = (name: string) =>
  name === 'host' || name === 'content-type' || name.startsWith('x-acs-')

const byName = ([a]: readonly [string, string], [b]: readonly [string, string]) => (a < b ? -1 : 1)

export interface Acs3Request {
  method: string
  /** Encoded. */
  path: string
  query: ReadonlyArray<readonly [string, string]>
  /** Names in lower case. */
  headers: Readonly<Record<string, string>>
}

const signedHeaderNames = (headers: Acs3Request['headers']): string[] =>
  Object.keys(headers).filter(isSigned).sort()

export function acs3CanonicalRequest(
  { method, path, query, headers }: Acs3Request,
  names = signedHeaderNames(headers),
): string {
  const pairs = query
    .map(([name, value]) => [percentEncode(name), percentEncode(value)] as const)
    .sort(byName)
  return [
    method,
    path,
    pairs.map(([name, value]) => `${name}=${value}`).join('&'),
    names.map((name) => `${name}:${(headers[name] ?? '').trim()}\n`).join(''),
    names.join(';'),
    headers['x-acs-content-sha256'] ?? '',
  ].join('\n')
}

export const acs3StringToSign = (canonical: string): string =>
  `${ACS3_ALGORITHM}\n${sha256Hex(canonical)}`

export const acs3Signature = (secretAccessKey: string, toSign: string): string =>
  hex(hmacSha256(secretAccessKey, toSign))

/** Path with query, headers and body, ready for fetch (which sets `host` itself, to the same value). */
export function signAcs3(call: Acs3Call, credentials: Oss4Credentials) {
  const headers = acs3Headers(call, credentials)
  const query = Object.entries(call.query)
  const names = signedHeaderNames(headers)
  const canonical = acs3CanonicalRequest({ method: call.method, path: '/', query, headers }, names)
  const signature = acs3Signature(credentials.secretAccessKey, acs3StringToSign(canonical))
  const { host: _, ...sent } = headers
  const parameters = query.map(([name, value]) => `${percentEncode(name)}=${percentEncode(value)}`)
  return {
    path: parameters.length ? `/?${parameters.join('&')}` : '/',
    headers: {
      ...sent,
      authorization: `${ACS3_ALGORITHM} Credential=${credentials.accessKeyId},SignedHeaders=${names.join(';')},Signature=${signature}`,
    },
    body: call.body,
  }
}
