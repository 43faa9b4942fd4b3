// OSS signature V4 against the published vectors of the official SDKs, each stage on its own.
import { describe, expect, it } from 'vitest'
import { hex, percentEncodePath } from '../../src/bytes/encoding.ts'
import {
  canonicalRequest,
  type Oss4Request,
  signature,
  signHeaders,
  signingKey,
  signQuery,
  stringToSign,
} from '../../src/signing/oss4.ts'
import headerVectors from '../vectors/oss-v4-header.json' with { type: 'json' }
import presignVectors from '../vectors/oss-v4-presign.json' with { type: 'json' }

interface Vector {
  id: string
  input: {
    method: string
    bucket?: string | null
    key?: string | null
    query: [string, string][]
    headers: Record<string, string>
    timestamp_header?: string
    datetime: string
    expires?: number
    access_key_id: string
    access_key_secret: string
    security_token?: string
    region: string
    product: string
    additional_headers: string[]
  }
  expected: {
    authorization?: string
    signature: string
    query?: Record<string, string>
    sdk_url?: string
  }
  intermediate?: { canonical_request: string; string_to_sign: string; signing_key_hex: string }
}

function read(vector: Vector) {
  const { input } = vector
  const request: Oss4Request = {
    method: input.method,
    bucket: input.bucket ?? undefined,
    key: input.key ?? undefined,
    query: input.query,
    headers: input.headers,
    additionalHeaders: input.additional_headers,
  }
  const credentials = {
    accessKeyId: input.access_key_id,
    secretAccessKey: input.access_key_secret,
    sessionToken: input.security_token,
  }
  const scope = { dateTime: input.datetime, region: input.region, product: input.product }
  return { request, credentials, scope }
}

const dateHeaderSent = (vector: Vector) => vector.input.timestamp_header === 'x-oss-date'

describe('OSS4 in the Authorization header', () => {
  const vectors = headerVectors.vectors as unknown as Vector[]

  it.each(vectors)('$id: canonical request, string to sign, key', (vector) => {
    const { request, scope, credentials } = read(vector)
    const headers = {
      ...request.headers,
      'x-oss-content-sha256': 'UNSIGNED-PAYLOAD',
      ...(dateHeaderSent(vector) ? { 'x-oss-date': scope.dateTime } : {}),
      ...(credentials.sessionToken ? { 'x-oss-security-token': credentials.sessionToken } : {}),
    }
    const canonical = canonicalRequest({ ...request, headers })

    const key = signingKey(credentials.secretAccessKey, scope)
    expect(signature(key, stringToSign(scope, canonical))).toBe(vector.expected.signature)
    if (vector.intermediate) {
      expect(canonical).toBe(vector.intermediate.canonical_request)
      expect(stringToSign(scope, canonical)).toBe(vector.intermediate.string_to_sign)
      expect(hex(key)).toBe(vector.intermediate.signing_key_hex)
    }
  })

  it.each(vectors.filter(dateHeaderSent))('$id: Authorization', (vector) => {
    const { request, credentials, scope } = read(vector)

    const { authorization } = signHeaders(request, credentials, scope)

    expect(authorization).toBe(vector.expected.authorization)
  })

  // As the Android SDK signs: the time is in Date, which is not a canonical header.
  it.each(vectors.filter((vector) => !dateHeaderSent(vector)))(
    '$id: Authorization without x-oss-date',
    ({ input, expected }) => {
      const scope = `${input.datetime.slice(0, 8)}/${input.region}/${input.product}/aliyun_v4_request`
      expect(expected.authorization).toBe(
        `OSS4-HMAC-SHA256 Credential=${input.access_key_id}/${scope},Signature=${expected.signature}`,
      )
    },
  )
})

describe('OSS4 in the query', () => {
  it.each(presignVectors.vectors as unknown as Vector[])(
    '$id: canonical request, string to sign, key',
    (vector) => {
      const { request, scope, credentials } = read(vector)
      const { 'x-oss-signature': _, ...signed } = vector.expected.query!
      const query = [...request.query, ...Object.entries(signed)]

      const canonical = canonicalRequest({ ...request, query })

      expect(canonical).toBe(vector.intermediate!.canonical_request)
      expect(stringToSign(scope, canonical)).toBe(vector.intermediate!.string_to_sign)
      const key = signingKey(credentials.secretAccessKey, scope)
      expect(hex(key)).toBe(vector.intermediate!.signing_key_hex)
    },
  )

  it.each(presignVectors.vectors as unknown as Vector[])(
    '$id: the query, and the URL of the SDK but for its order',
    (vector) => {
      const { request, credentials, scope } = read(vector)

      const query = signQuery(request, credentials, scope, vector.input.expires!)

      const sent = new Map(query.split('&').map((pair) => pair.split('=') as [string, string]))
      expect(sent.get('x-oss-signature')).toBe(vector.expected.signature)
      for (const [name, value] of Object.entries(vector.expected.query ?? {})) {
        expect(decodeURIComponent(sent.get(encodeURIComponent(name)) ?? '')).toBe(value)
      }
      if (vector.expected.sdk_url === undefined) return
      const [base, sdkQuery] = vector.expected.sdk_url.split('?')
      expect(query.split('&').sort()).toEqual(sdkQuery!.split('&').sort())
      expect(new URL(base!).pathname).toBe(`/${percentEncodePath(request.key!)}`)
    },
  )
})
