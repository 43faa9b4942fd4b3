// The OSS dialect against published facts: requests, response bodies and errors.
import { describe, expect, it } from 'vitest'
import type { CorsRule, LifecycleRule } from '../../src/core/ports/bucket-settings.ts'
import type { ObjectStore } from '../../src/core/ports/object-store.ts'
import { isStoreFailure, type StoreFailureKind } from '../../src/core/ports/store-failure.ts'
import {
  CORS,
  LIFECYCLE,
  readConfiguration,
  writeConfiguration,
} from '../../src/storage/rest/bucket-xml.ts'
import { refusal } from '../../src/uploads/problems.ts'
import { answering } from '../support/oss-answering.ts'
import errors from '../vectors/oss-errors.json' with { type: 'json' }
import bodies from '../vectors/oss-xml.json' with { type: 'json' }

const sample = (id: string): string => bodies.samples.find((one) => one.id === id)!.xml
const upload = { key: 'multipart.data', storageUploadId: 'ID' }
const spec = {
  key: 'multipart.data',
  uploadId: 'upl_1',
  contentType: 'text/plain',
  overwrite: 'never',
} as const

describe('reading', () => {
  it.each([
    ['HEAD', (store: ObjectStore) => store.head('k')],
    ['GET', (store: ObjectStore) => store.listUploads('k')],
  ])(
    'asks with %s for an uncompressed answer, in a header that is not signed',
    async (method, ask) => {
      const { store, asked } = answering(200, '<ListMultipartUploadsResult/>')

      await ask(store)

      const headers = new Headers(asked[0]!.init?.headers)
      expect(asked[0]!.init?.method).toBe(method)
      expect(headers.get('accept-encoding')).toBe('identity')
      expect(headers.get('authorization')).not.toContain('AdditionalHeaders')
    },
  )

  it.each([
    ['0', { sizeBytes: 0 }],
    ['12', { sizeBytes: 12 }],
    [undefined, {}],
    ['', {}],
    ['-1', {}],
    ['1e3', {}],
    ['12, 12', {}],
  ])('reads the Content-Length %j as %j', async (length, found) => {
    const { store } = answering(200, '', {
      fetch: async () =>
        new Response(null, { headers: length === undefined ? {} : { 'content-length': length } }),
    })

    expect(await store.head('k')).toEqual({ key: 'k', checksums: {}, ...found })
  })

  it.each([
    [{ etag: '"A-1"' }, { etag: 'A-1' }],
    [{ etag: 'A' }, { etag: 'A' }],
    [{ etag: '""' }, {}],
    [{ etag: 'W/"A"' }, {}],
    [{ 'x-oss-hash-crc64ecma': '007' }, { checksums: { crc64: '7' } }],
    [{ 'x-oss-hash-crc64ecma': '0x7' }, {}],
    [{ 'x-oss-hash-crc64ecma': '' }, {}],
    [{ 'last-modified': 'yesterday' }, {}],
  ])('reads %j as %j', async (headers, found) => {
    const { store } = answering(200, '', { fetch: async () => new Response(null, { headers }) })

    expect(await store.head('k')).toEqual({ key: 'k', checksums: {}, ...found })
  })
})

describe('a copy', () => {
  const source = { key: "a b/ü+&?%2F'.bin", etag: 'ABC', first: 0, last: 99 }

  it('asks for exactly the range of this ETag, and reads copy-part-result', async () => {
    const { store, asked } = answering(200, sample('copy-part-result'))

    await store.copyPart!(upload, 7, source)

    const [{ url, init }] = asked as [(typeof asked)[number]]
    expect(url).toBe(
      'https://examplebucket.oss-cn-hangzhou.aliyuncs.com/multipart.data?partNumber=7&uploadId=ID',
    )
    const { authorization, ...headers } = Object.fromEntries(new Headers(init?.headers))
    expect(headers).toEqual({
      'x-oss-copy-source': '/examplebucket/a%20b/%C3%BC%2B%26%3F%252F%27.bin',
      'x-oss-copy-source-if-match': '"ABC"',
      'x-oss-copy-source-range': 'bytes=0-99',
      'x-oss-content-sha256': 'UNSIGNED-PAYLOAD',
      'x-oss-date': '20240102T030405Z',
    })
    expect(init).toMatchObject({ method: 'PUT', body: undefined })
    expect(authorization).toMatch(
      /^OSS4-HMAC-SHA256 Credential=ak\/20240102\/cn-hangzhou\/oss\/aliyun_v4_request,Signature=[0-9a-f]{64}$/,
    )
  })

  it.each([
    ['an error in a 200', 200, sample('error-nosuchkey'), 'NoSuchKey', 'no-object'],
    ['a cut answer', 200, '<CopyPartResult><ETag>', 'UnreadableAnswer', 'ambiguous'],
    [
      'an answer of something else',
      200,
      sample('complete-result'),
      'UnreadableAnswer',
      'ambiguous',
    ],
    [
      'a condition that does not hold',
      412,
      '<Error><Code>PreconditionFailed</Code></Error>',
      'PreconditionFailed',
      'no-object',
    ],
    ['nothing', 304, '', 'Http304', 'ambiguous'],
  ])('does not take %s for a part', async (_, status, body, code, kind) => {
    const { store } = answering(status, body)

    await expect(store.copyPart!(upload, 1, source)).rejects.toMatchObject({ code, kind })
  })
})

describe('a deletion', () => {
  it.each([
    [{ ifMatch: 'ABC' }, ''],
    [{ ifMatch: 'ABC', versionId: 'CAEQ+/=' }, '?versionId=CAEQ%2B%2F%3D'],
  ])('of %j names the object that was seen', async (only, query) => {
    const { store, asked } = answering(200, '')

    await store.delete('a.bin', only)

    const [{ url, init }] = asked as [(typeof asked)[number]]
    expect(url).toBe(`https://examplebucket.oss-cn-hangzhou.aliyuncs.com/a.bin${query}`)
    expect(init?.method).toBe('DELETE')
    expect(new Headers(init?.headers).get('if-match')).toBe('"ABC"')
  })
})

describe('answers of the store', () => {
  it.each(['initiate-result', 'initiate-result-url'])('%s', async (id) => {
    const { store } = answering(200, sample(id))
    expect(await store.initiate(spec)).toBe('0004B9894A22E5B1888A1E29F8236E2D')
  })

  it('complete-request and complete-result', async () => {
    const { store, asked } = answering(200, sample('complete-result'))
    const parts = [
      { partNumber: 1, etag: '3349DC700140D7F86A07848427806C31' },
      { partNumber: 5, etag: '8EFDA8BE206636A695359836FE0A67AB' },
    ]
    await store.complete(upload, parts, spec)
    const sent = String(asked[0]!.init?.body).replaceAll('&#34;', '"')
    expect(sent).toBe(sample('complete-request'))
  })

  it('list-parts-result, with one part', async () => {
    const { store } = answering(200, sample('list-parts-result'))
    const pages = []
    for await (const page of store.listParts(upload)) pages.push(page)
    expect(pages).toEqual([
      [
        {
          partNumber: 1,
          sizeBytes: 96316,
          etag: 'CF3F46D505093571E916FCDD4967ABCD',
          checksums: { crc64: '12066172435287683848' },
          lastModified: new Date('2023-11-22T05:42:34.000Z'),
        },
      ],
    ])
  })

  it('list-uploads-result', async () => {
    const { store } = answering(200, sample('list-uploads-result'))
    expect(await store.listUploads('multipart.data')).toEqual([
      {
        key: 'multipart.data',
        storageUploadId: '0004B999EF518A1FE585B0C9360DC4C8',
        initiatedAt: new Date('2012-02-23T04:18:23Z'),
      },
    ])
  })

  it('error-nosuchupload', async () => {
    const { store } = answering(404, sample('error-nosuchupload'))
    await expect(store.abort(upload)).rejects.toMatchObject({ kind: 'no-upload' })
  })

  it('error-callbackfailed leaves the outcome open', async () => {
    const { store } = answering(203, sample('error-callbackfailed'))
    await expect(store.complete(upload, [], spec)).rejects.toMatchObject({
      kind: 'ambiguous',
      code: 'CallbackFailed',
    })
  })

  it('error-nosuchkey of HEAD is in a header', async () => {
    const { store } = answering(404, sample('error-nosuchkey'))
    expect(await store.head('x')).toBeUndefined()
    const denied = answering(403, sample('error-nosuchkey').replace('NoSuchKey', 'AccessDenied'))
    await expect(denied.store.head('x')).rejects.toMatchObject({ code: 'AccessDenied' })
  })
})

describe('configurations of a bucket', () => {
  it('cors-request is read, and written byte for byte', () => {
    const { rules } = readConfiguration(CORS, sample('cors-request'))!
    const [rule] = rules

    expect(rule).toMatchObject({
      allowedOrigins: ['https://app.example.com'],
      allowedMethods: ['PUT', 'POST', 'DELETE', 'GET', 'HEAD'],
      allowedHeaders: ['*'],
      exposeHeaders: ['ETag', 'x-oss-request-id', 'x-oss-hash-crc64ecma', 'x-oss-version-id'],
      maxAgeSeconds: 600,
    })
    const { xml: _, canonical: __, ...fresh } = rule as unknown as Record<string, unknown>
    expect(writeConfiguration(CORS, { rules: [fresh as unknown as CorsRule] })).toBe(
      sample('cors-request'),
    )
  })

  it('lifecycle-request is read, and written byte for byte', () => {
    const { rules } = readConfiguration(LIFECYCLE, sample('lifecycle-request'))!
    const [rule] = rules

    expect(rule).toMatchObject({
      id: 'abort-incomplete-uploads',
      prefix: 'uploads/',
      enabled: true,
      abort: { days: 3 },
    })
    const { xml: _, canonical: __, ...fresh } = rule as unknown as Record<string, unknown>
    const written = writeConfiguration(LIFECYCLE, { rules: [fresh as unknown as LifecycleRule] })
    expect(written).toBe(sample('lifecycle-request'))
  })
})

describe('errors of the store', () => {
  /** The failure kind for each class of the table. We sign every call anew, so `resign` counts as `no`. */
  const kinds = {
    yes: 'ambiguous',
    no: 'refused',
    resign: 'refused',
    restart: 'refused',
    'reupload-part': 'refused',
    reconcile: 'ambiguous',
  } as const
  type Retry = keyof typeof kinds
  /** Codes that flows tell apart. */
  const kindsByCode: Record<string, StoreFailureKind> = {
    NoSuchUpload: 'no-upload',
    NoSuchKey: 'no-object',
    FileAlreadyExists: 'exists',
    PreconditionFailed: 'exists',
    EntityTooSmall: 'parts-changed',
    InvalidPartOrder: 'parts-changed',
    InvalidPart: 'parts-changed',
    FilePartNotExist: 'parts-changed',
    InvalidDigest: 'parts-changed',
    InvalidCRC64: 'parts-changed',
  }

  /** The problem that the client gets. */
  function advice(code: string, retry: Retry): [problem: string, retryAfter: number | undefined] {
    if (code === 'NoSuchUpload') return ['storage-upload-lost', undefined]
    if (code === 'FileAlreadyExists' || code === 'PreconditionFailed') {
      return ['object-exists', undefined]
    }
    const partsAreWrong = ['EntityTooSmall', 'InvalidPartOrder'].includes(code)
    if (retry === 'reupload-part' || partsAreWrong) return ['parts-mismatch', undefined]
    return ['storage-unavailable', kinds[retry] === 'ambiguous' ? 2 : undefined]
  }

  it.each(errors.errors)('$http $code: $retry ($when)', async ({ http, code, retry }) => {
    const { store } = answering(http, `<Error><Code>${code}</Code><Message>m</Message></Error>`)
    const wanted = kindsByCode[code] ?? kinds[retry as Retry]

    const failure = await store.complete(upload, [], spec).catch((error: unknown) => error)

    if (!isStoreFailure(failure)) throw failure
    expect([failure.kind, failure.code, failure.status]).toEqual([wanted, code, http])
    const problem = refusal(failure)
    expect([problem.code, problem.retryAfterSeconds]).toEqual(advice(code, retry as Retry))
  })

  // The SDKs repeat these calls with a corrected clock. A service with a wrong clock also signs wrong URLs, so it must fail.
  it.each(errors.sdk_default_retry.retry_codes)('%s is a definite no', async (code) => {
    const { store } = answering(400, `<Error><Code>${code}</Code></Error>`)
    await expect(store.abort(upload)).rejects.toMatchObject({ kind: 'refused', code })
  })

  it.each(errors.sdk_default_retry.retry_http_status)(
    '%s without a body is ambiguous, except for 401',
    async (status) => {
      const { store } = answering(Number(String(status).replace('>=', '')), '')
      const kind = String(status) === '401' ? 'refused' : 'ambiguous'
      await expect(store.abort(upload)).rejects.toMatchObject({ kind })
    },
  )
})
