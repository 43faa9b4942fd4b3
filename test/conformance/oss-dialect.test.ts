// The OSS dialect against published facts: endpoints, answers and errors of the store, and how long a URL may live.
import { describe, expect, it } from 'vitest'
import { isStoreFailure } from '../../src/core/store-failure.ts'
import {
  addressingOf,
  ENDPOINT_KINDS,
  type EndpointKind,
  endpointFor,
  isInternal,
  signingRegion,
} from '../../src/storage/oss/endpoint.ts'
import { oss } from '../../src/storage/oss/index.ts'
import { objectUrl } from '../../src/storage/oss/sign.ts'
import endpoints from '../vectors/oss-endpoints.json' with { type: 'json' }
import errors from '../vectors/oss-errors.json' with { type: 'json' }
import bodies from '../vectors/oss-xml.json' with { type: 'json' }

const NOW = new Date('2024-01-02T03:04:05Z')

/** A store that answers everything with one response; what it was asked is in `asked`. */
function answering(status: number, body: string, more: Partial<Parameters<typeof oss>[0]> = {}) {
  const asked: Array<{ url: string; init: RequestInit | undefined }> = []
  const address = { url: 'https://oss-cn-hangzhou.aliyuncs.com', addressing: 'virtual' } as const
  const store = oss({
    name: 'default',
    bucket: 'examplebucket',
    region: 'cn-hangzhou',
    endpoint: address,
    publicEndpoint: address,
    credentials: { accessKeyId: 'ak', secretAccessKey: 'sk' },
    bindLength: true,
    clock: () => NOW,
    fetch: async (input, init) => {
      asked.push({ url: String(input), init })
      const empty = init?.method === 'HEAD'
      const headers = empty ? { 'x-oss-err': btoa(body) } : undefined
      return new Response(empty ? null : body, { status, headers })
    },
    verifyCallback: () => false,
    parseCallbackBody: () => undefined,
    ...more,
  })
  return { store, asked }
}

const sample = (id: string): string => bodies.samples.find((one) => one.id === id)!.xml
const upload = { key: 'multipart.data', storageUploadId: 'ID' }
const spec = {
  key: 'multipart.data',
  uploadId: 'upl_1',
  contentType: 'text/plain',
  overwrite: 'never',
} as const

describe('endpoints', () => {
  const host = (kind: EndpointKind, region: string) => new URL(endpointFor(kind, region)).host

  it.each(endpoints.regions)('of $region', ({ region, ...wanted }) => {
    expect(host('public', region)).toBe(wanted.public)
    if (wanted.internal) expect(host('internal', region)).toBe(wanted.internal)
    if (wanted.dual_stack) expect(host('dual-stack', region)).toBe(wanted.dual_stack)
  })

  it('have templates for every kind', () => {
    const { templates } = endpoints
    for (const kind of ENDPOINT_KINDS) {
      const template = templates[kind.replaceAll('-', '_') as keyof typeof templates]
      expect(host(kind, 'us-west-1')).toBe(template.replace('{region}', 'us-west-1'))
    }
  })

  it.each(endpoints.url_styles)('in $style style', ({ example }) => {
    const url = new URL(example)
    const base = url.origin.replace('//examplebucket.', '//')
    const address = { url: base, addressing: addressingOf(base, 'examplebucket') }
    expect(objectUrl(address, 'examplebucket', 'dir/a b.bin')).toBe(example)
  })

  it('sign one canonical URI whatever the style', async () => {
    const style = (url: string) => {
      const address = { url, addressing: addressingOf(url, 'examplebucket') }
      const { store } = answering(200, '', { publicEndpoint: address })
      const part = { partNumber: 1, sizeBytes: 5 }
      const [signed] = store.presignParts(upload, [part], { from: NOW, seconds: 60 })
      return new URL(signed!.url).searchParams.get('x-oss-signature')
    }
    const urls = [
      'https://oss-accelerate.aliyuncs.com',
      'https://cdn.example.com',
      'http://10.0.0.1',
    ]
    expect(new Set(urls.map(style)).size).toBe(1)
  })

  it('that are the bucket’s own are used as they are', () => {
    const url = 'https://examplebucket.oss-cn-hangzhou.aliyuncs.com'
    expect(addressingOf(url, 'examplebucket')).toBe('cname')
  })

  it('take a region with or without its prefix', () => {
    expect(signingRegion('oss-cn-hangzhou')).toBe('cn-hangzhou')
    expect(signingRegion('cn-hangzhou')).toBe('cn-hangzhou')
    expect(endpointFor('public', 'oss-cn-hangzhou')).toBe('https://oss-cn-hangzhou.aliyuncs.com')
  })

  it('know which are internal', () => {
    expect(isInternal(endpointFor('internal', 'cn-hangzhou'))).toBe(true)
    expect(isInternal(endpointFor('dual-stack', 'cn-hangzhou'))).toBe(false)
  })
})

describe('the life of a URL', () => {
  const sts = { accessKeyId: 'STS.x', secretAccessKey: 'sk', sessionToken: 'token' }

  it('is 7 days at most with a long-lived key, 12 hours with a token', () => {
    expect(answering(200, '').store.maxUrlSeconds(NOW)).toBe(604_800)
    expect(answering(200, '', { credentials: sts }).store.maxUrlSeconds(NOW)).toBe(43_200)
  })

  it('ends with the credential', () => {
    const credentialsExpireAt = new Date(NOW.getTime() + 90_500)
    const { store } = answering(200, '', { credentials: sts, credentialsExpireAt })
    expect(store.maxUrlSeconds(NOW)).toBe(90)
  })

  it('carries the token in the signed query, never as a header', () => {
    const { store } = answering(200, '', { credentials: sts })
    const [signed] = store.presignParts(upload, [{ partNumber: 1, sizeBytes: 5 }], {
      from: NOW,
      seconds: 60,
    })
    expect(new URL(signed!.url).searchParams.get('x-oss-security-token')).toBe('token')
    expect(signed!.headers).toEqual({})
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
          crc64: '12066172435287683848',
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
    await expect(store.abort(upload)).rejects.toMatchObject({ kind: 'no-such-upload' })
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

describe('errors of the store', () => {
  const kinds: Record<string, string> = {
    yes: 'ambiguous',
    no: 'refused',
    resign: 'refused',
    restart: 'refused',
    'reupload-part': 'refused',
  }

  it.each(errors.errors)('$http $code: $retry ($when)', async ({ http, code, retry }) => {
    const xml = `<Error><Code>${code}</Code><Message>m</Message></Error>`
    const { store } = answering(http, xml)
    const wanted =
      retry !== 'reconcile'
        ? kinds[retry]
        : code === 'NoSuchUpload'
          ? 'no-such-upload'
          : 'ambiguous'
    const failure = await store.complete(upload, [], spec).catch((error: unknown) => error)
    expect(isStoreFailure(failure) && [failure.kind, failure.code, failure.status]).toEqual([
      wanted,
      code,
      http,
    ])
  })

  it.each(errors.sdk_default_retry.retry_http_status.filter((status) => Number(status) > 401))(
    '%s without a body may come again',
    async (status) => {
      const { store } = answering(Number(status), '')
      await expect(store.abort(upload)).rejects.toMatchObject({ kind: 'ambiguous' })
    },
  )
})
