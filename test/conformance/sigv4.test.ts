// SigV4 against the vectors of AWS (the signing suite, the documentation) and of its JavaScript presigner, each stage on its own.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  canonicalRequest,
  type Sigv4Request,
  signature,
  signHeaders,
  signingKey,
  signQuery,
  stringToSign,
} from '../../src/signing/sigv4.ts'
import { planParts } from '../../src/signing/sigv4-parts.ts'
import presign from '../vectors/s3-presign.json' with { type: 'json' }
import suite from '../vectors/s3-sigv4-suite.json' with { type: 'json' }

const hexOfNothing = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
const CREDENTIALS = {
  accessKeyId: presign.credentials.access_key_id,
  secretAccessKey: presign.credentials.secret_access_key,
}

/** The second to fifth line of a canonical request tell what was signed, so that each vector is read in one way. */
function requestIn(canonical: string): { request: Sigv4Request; payload: string } {
  const lines = canonical.split('\n')
  const [method, path, query] = lines as [string, string, string]
  const { host, ...headers } = Object.fromEntries(
    lines.slice(3, -3).map((line) => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon), line.slice(colon + 1)]
    }),
  ) as Record<string, string>
  return {
    request: {
      method,
      host: host!,
      path: decodeURIComponent(path),
      query: query === '' ? [] : query.split('&').map(pairOf),
      headers,
    },
    payload: lines.at(-1)!,
  }
}

const pairOf = (pair: string) => {
  const [name, value] = pair.split('=') as [string, string]
  return [decodeURIComponent(name), decodeURIComponent(value)] as const
}

const reversed = ({ request, payload }: ReturnType<typeof requestIn>) => ({
  payload,
  request: {
    ...request,
    query: request.query.toReversed(),
    headers: Object.fromEntries(
      Object.entries(request.headers)
        .toReversed()
        .map(([name, value]) => [name.toUpperCase(), `  ${value} `]),
    ),
  },
})

interface SuiteForm {
  canonical_request: string
  string_to_sign: string
  signature: string
}

interface SuiteVector {
  name: string
  context: {
    credentials: { secret_access_key: string }
    region: string
    service: string
    timestamp: string
  }
  request: string
  query: SuiteForm
  header: SuiteForm
}

describe('the signing suite of AWS', () => {
  it.each(suite.vectors as unknown as SuiteVector[])('$name', (vector) => {
    const { context, header, query } = vector
    const dateTime = context.timestamp.replaceAll(/[-:]/g, '')
    const scope = { ...context, dateTime }
    const key = signingKey(context.credentials.secret_access_key, scope)

    for (const form of [header, query]) {
      // The names in any case and order, the values with space around them: the canonical form does not depend on it.
      const { request, payload } = reversed(requestIn(form.canonical_request))
      const canonical = canonicalRequest(request, payload)

      expect(canonical).toBe(form.canonical_request)
      expect(stringToSign(scope, canonical)).toBe(form.string_to_sign)
      expect(signature(key, form.string_to_sign)).toBe(form.signature)
    }
  })

  it('collapses the space inside a value, and joins its lines', () => {
    const named = (name: string) => suite.vectors.find((vector) => vector.name === name)!
    for (const [name, headers] of [
      ['get-header-value-multiline', { 'My-Header1': 'value1\n  value2\n     value3' }],
      ['get-header-value-trim', { 'My-Header1': ' value1', 'My-Header2': '"a   b   c"' }],
    ] as const) {
      const vector = named(name)
      const { request } = requestIn(vector.header.canonical_request)
      const dated = { ...headers, 'x-amz-date': '20150830T123600Z' }

      const canonical = canonicalRequest({ ...request, headers: dated }, hexOfNothing)

      expect(canonical).toBe(vector.header.canonical_request)
    }
  })
})

interface Vector {
  name: string
  method: string
  host: string
  path: string
  query: Array<[string, string]>
  headers: Record<string, string>
  session_token?: string | null
  payload_hash: string
  region: string
  service: string
  timestamp: string
  expires?: number
  canonical_request: string
  string_to_sign: string
  signature: string
  url?: string
  authorization?: string
}

const group = (name: string) => presign.groups.find((entry) => entry.group === name)!.vectors
const inQuery = (vectors: unknown[]) =>
  (vectors as Vector[]).filter(({ expires }) => expires !== undefined)
const inHeader = (vectors: unknown[]) =>
  (vectors as Vector[]).filter(({ expires }) => expires === undefined)

const read = (vector: Vector) => ({
  scope: { dateTime: vector.timestamp, region: vector.region, service: vector.service },
  credentials: { ...CREDENTIALS, sessionToken: vector.session_token ?? undefined },
  request: { ...vector, path: decodeURIComponent(vector.path) },
})

describe('SigV4 in the Authorization header', () => {
  const vectors = [
    ...inHeader(group('aws-documentation')),
    ...inHeader(group('control-calls-header-auth')),
  ]

  it.each(vectors)('$name', (vector) => {
    const { request, credentials, scope } = read(vector)

    const { authorization, ...sent } = signHeaders(request, vector.payload_hash, credentials, scope)

    const canonical = canonicalRequest({ ...request, headers: sent }, vector.payload_hash)
    expect(canonical).toBe(vector.canonical_request)
    expect(stringToSign(scope, canonical)).toBe(vector.string_to_sign)
    expect(authorization!.replaceAll(', ', ',')).toBe(
      vector.authorization?.replaceAll(', ', ',') ?? authorization!.replaceAll(', ', ','),
    )
    expect(authorization).toContain(`Signature=${vector.signature}`)
  })
})

interface PartVector {
  name: string
  region: string
  session_token: string | null
  signing_time: string
  url: string
  canonical_request: string
  string_to_sign: string
  signature: string
}

describe('SigV4 in the query', () => {
  it.each(inQuery(group('aws-documentation')))('$name', (vector) => {
    const { request, credentials, scope } = read(vector)

    const query = signQuery(request, credentials, scope, vector.expires!)

    expect(`https://${vector.host}${vector.path}?${query}`).toBe(vector.url)
  })

  it.each(group('uploadpart-presign') as unknown as PartVector[])('$name', (vector) => {
    const dateTime = vector.signing_time.replaceAll(/[-:]/g, '')
    const scope = { dateTime, region: vector.region }
    const credentials = { ...CREDENTIALS, sessionToken: vector.session_token ?? undefined }
    const { request } = requestIn(vector.canonical_request)
    const canonical = canonicalRequest(request, 'UNSIGNED-PAYLOAD')
    expect(canonical).toBe(vector.canonical_request)
    expect(stringToSign(scope, canonical)).toBe(vector.string_to_sign)

    const own = request.query.filter(([name]) => !isSigners(name))
    const expires = new URL(vector.url).searchParams.get('X-Amz-Expires')
    const query = signQuery({ ...request, query: own }, credentials, scope, Number(expires))

    expect(query.split('&').sort()).toEqual(vector.url.split('?')[1]!.split('&').sort())
  })

  it('never carries the checksum of an empty body, as the presigner does by default', () => {
    const [{ url }] = group('sdk-default-trap') as [{ url: string }]
    expect(url).toContain('x-amz-checksum-crc32=AAAAAA%3D%3D')

    const { origin, pathname } = new URL(url)
    const scope = { dateTime: '20130524T000000Z', region: 'us-east-1' }
    const sign = planParts({
      host: origin.slice('https://'.length),
      path: pathname,
      storageUploadId: 'VXBsb2FkIElE',
      credentials: CREDENTIALS,
      scope,
      expiresSeconds: 3600,
      signingKey: signingKey(CREDENTIALS.secretAccessKey, scope),
    })

    expect(sign(1, {})).not.toContain('checksum')
  })
})

/** What the signer adds. The presigner also sends a hash of the payload, which is then a parameter like any other. */
const isSigners = (name: string) =>
  name.startsWith('X-Amz-') && name.toLowerCase() !== 'x-amz-content-sha256'

describe('a batch of part URLs', () => {
  const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 120 })
  const headers = fc.record(
    {
      'content-length': fc.nat().map(String),
      'Content-MD5': fc.base64String({ minLength: 24, maxLength: 24 }),
      'x-amz-checksum-crc32c': fc.base64String({ minLength: 8, maxLength: 8 }),
    },
    { requiredKeys: [] },
  )
  /** Numbers around a change in digits, where a text of fixed length would break. */
  const number = fc.constantFrom(1, 9, 10, 99, 100, 999, 1000, 9_999, 10_000)
  const batch = fc.array(fc.tuple(number, headers), { minLength: 1, maxLength: 8 })

  it('is signed as one URL at a time would be', () => {
    const sessionToken = fc.option(text, { nil: undefined })
    fc.assert(
      fc.property(text, text, sessionToken, batch, (key, storageUploadId, token, parts) => {
        const credentials = { ...CREDENTIALS, sessionToken: token }
        const scope = { dateTime: '20260401T080910Z', region: 'eu-central-1' }
        const target = { host: 'localhost:9000', path: `/bucket/${key}` }
        const sign = planParts({
          ...target,
          storageUploadId,
          credentials,
          scope,
          expiresSeconds: 900,
          signingKey: signingKey(credentials.secretAccessKey, scope),
        })

        for (const [partNumber, sent] of parts) {
          const query = [
            ['partNumber', String(partNumber)],
            ['uploadId', storageUploadId],
          ] as const
          const request = { ...target, method: 'PUT', query, headers: sent }
          expect(sign(partNumber, sent)).toBe(signQuery(request, credentials, scope, 900))
        }
      }),
    )
  })
})
