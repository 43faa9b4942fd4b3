// The S3 dialect on a double that answers: published and hostile answers, and what each product's row changes in a request.
import { describe, expect, it } from 'vitest'
import { isStoreFailure } from '../../src/core/ports/store-failure.ts'
import { s3 } from '../../src/storage/s3/index.ts'
import { S3_PRODUCT_NAMES, type S3ProductName } from '../../src/storage/s3/products.ts'
import vectors from '../vectors/s3-xml.json' with { type: 'json' }

const UPLOAD = { key: 'a b/+.bin', storageUploadId: 'id/+=~' }
const PARTS = [{ partNumber: 1, etag: 'e1' }]
const NOW = new Date('2026-04-01T08:09:10Z')

interface Answer {
  status?: number
  body?: string
  headers?: Record<string, string>
}

function double(answers: Answer[], product: S3ProductName = 'aws', more = {}) {
  const asked: Array<{ url: URL; method: string; headers: Headers }> = []
  const address = { url: 'https://s3.example.com', addressing: 'virtual' } as const
  const store = s3({
    name: 'default',
    bucket: 'bucket',
    region: 'eu-central-1',
    product,
    endpoint: address,
    publicEndpoint: { url: 'https://public.example.com:8443', addressing: 'path' },
    credentials: { accessKeyId: 'ak', secretAccessKey: 'sk' },
    bindLength: true,
    clock: () => NOW,
    fetch: (input, init) => {
      asked.push({
        url: new URL(String(input)),
        method: init!.method!,
        headers: new Headers(init!.headers),
      })
      const { status = 200, body = '', headers } = answers.shift() ?? {}
      return Promise.resolve(new Response(status === 204 ? null : body, { status, headers }))
    },
    ...more,
  })
  return { store, asked }
}

const outcome = (call: Promise<unknown>) =>
  call.then(
    () => 'done',
    (error: unknown) => {
      if (!isStoreFailure(error)) throw error
      return [error.kind, error.code]
    },
  )

const complete = (answer: Answer, overwrite: 'never' | 'replace' = 'replace') =>
  outcome(double([answer]).store.complete(UPLOAD, PARTS, { overwrite }))

async function pagesOf<Page>(pages: AsyncIterable<Page>): Promise<Page[]> {
  const all: Page[] = []
  for await (const page of pages) all.push(page)
  return all
}

const named = (name: string) => vectors.cases.find((entry) => entry.name.startsWith(name))!
const error = (code: string) => `<Error><Code>${code}</Code><Message>m</Message></Error>`

/** What a completion comes to, by the vector's name. The vectors that are not here belong to other calls. */
const COMPLETIONS: Record<string, unknown> = {
  'CompleteMultipartUpload success after keep-alive': 'done',
  'white space BEFORE the XML declaration': 'done',
  'CompleteMultipartUpload: error inside 200': ['ambiguous', 'InternalError'],
  'CompleteMultipartUpload: 200 and the connection closes': ['ambiguous', 'UnreadableAnswer'],
  'error with namespace-less Error': ['no-upload', 'NoSuchUpload'],
  'signature mismatch': ['refused', 'SignatureDoesNotMatch'],
  'unsigned x-amz header on a presigned PUT': ['refused', 'AccessDenied'],
  throttle: ['ambiguous', 'SlowDown'],
  'proxy HTML instead of XML': ['ambiguous', 'Http502'],
  'entity expansion attempt': ['ambiguous', 'UnreadableAnswer'],
}

describe('a completion', () => {
  it.each(Object.entries(COMPLETIONS))('is judged by its body: %s', async (name, expected) => {
    expect(await complete(named(name))).toEqual(expected)
  })

  it.each<[string, Answer, unknown]>([
    ['a conflict', { status: 409, body: error('ConditionalRequestConflict') }, 'ambiguous'],
    ['a failed condition', { status: 412, body: error('PreconditionFailed') }, 'exists'],
    ['NoSuchUpload inside 200', { body: error('NoSuchUpload') }, 'no-upload'],
    ['NoSuchUpload with 500', { status: 500, body: error('NoSuchUpload') }, 'no-upload'],
    ['a changed part', { status: 400, body: error('InvalidPart') }, 'parts-changed'],
    ['a part that is too small', { status: 400, body: error('EntityTooSmall') }, 'parts-changed'],
    ['a slow body', { status: 400, body: error('RequestTimeout') }, 'ambiguous'],
    ['a page of a proxy', { body: '<html><body>login</body></html>' }, 'ambiguous'],
    ['an answer that was cut', { body: '<CompleteMultipartUploadResult><ETag>"e' }, 'ambiguous'],
    ['a bucket elsewhere', { status: 301, body: error('PermanentRedirect') }, 'refused'],
    ['a call that the store lacks', { status: 501, body: error('NotImplemented') }, 'refused'],
  ])('tells what to do after %s', async (_, answer, kind) => {
    expect((await complete(answer))[0]).toBe(kind)
  })

  it('signs its body, and refuses to overwrite where the product does', async () => {
    for (const [product, condition] of [
      ['aws', '*'],
      ['gcs', null],
    ] as const) {
      const done = { body: '<CompleteMultipartUploadResult/>' }
      const answers = product === 'gcs' ? [{ status: 404 }, done] : [done]
      const { store, asked } = double(answers, product)

      await store.complete(UPLOAD, PARTS, { overwrite: 'never' })

      const { headers } = asked.at(-1)!
      expect(headers.get('if-none-match')).toBe(condition)
      expect(headers.get('x-amz-content-sha256')).toMatch(/^[0-9a-f]{64}$/)
    }
  })

  it('looks before it completes where the product cannot refuse', async () => {
    const { store, asked } = double([{ status: 200, headers: { etag: '"e"' } }], 'gcs')

    const ended = await outcome(store.complete(UPLOAD, PARTS, { overwrite: 'never' }))

    expect(ended).toEqual(['exists', 'ObjectExists'])
    expect(asked.map(({ method }) => method)).toEqual(['HEAD'])
  })
})

describe('an answer', () => {
  it('gives the upload id of an initiation', async () => {
    const { body, expect: wanted } = named('CreateMultipartUpload response')
    const object = { key: 'k', uploadId: 'upl_1', contentType: 'a/b', overwrite: 'never' } as const

    expect(await double([{ body }]).store.initiate(object)).toBe(wanted.uploadId)
  })

  it('gives percent-encoded keys decoded', async () => {
    const { body } = named('ListMultipartUploads, encoding-type=url')

    const { uploads } = await double([
      { body: body.replace('<IsTruncated>true', '<IsTruncated>false') },
    ]).store.listUploadsBelow('')

    expect(uploads[0]?.key).toBe('test_file(3).png')
  })

  it('of ListParts is followed by the marker that it returns', async () => {
    const part = (number: number) =>
      `<Part><PartNumber>${number}</PartNumber><ETag>&#34;e${number}&#34;</ETag><Size>1</Size><LastModified>2026-04-01T08:00:00Z</LastModified></Part>`
    const page = (parts: string, next = '') =>
      `<ListPartsResult><IsTruncated>${next !== ''}</IsTruncated><NextPartNumberMarker>${next}</NextPartNumberMarker>${parts}</ListPartsResult>`
    const { store, asked } = double([
      { body: page(part(1) + part(7), '7') },
      { body: page(part(9)) },
    ])

    const listed = await pagesOf(store.listParts(UPLOAD))

    expect(listed.flat().map(({ partNumber, etag }) => [partNumber, etag])).toEqual([
      [1, 'e1'],
      [7, 'e7'],
      [9, 'e9'],
    ])
    expect(asked.map(({ url }) => url.searchParams.get('part-number-marker'))).toEqual([null, '7'])
  })

  it.each(['ListParts page 1 of 2', 'ListParts: one Part only'])(
    'of a part without its time decides nothing: %s',
    async (name) => {
      const { body } = named(name)
      const cut = body.replaceAll(/<LastModified>[^<]*<\/LastModified>/g, '')

      const listed = pagesOf(double([{ body: cut }]).store.listParts(UPLOAD))

      expect(await outcome(listed)).toEqual(['ambiguous', 'UnreadableAnswer'])
    },
  )

  it('of an upload without parts is an empty page', async () => {
    const { store } = double([named('ListParts: empty')])

    expect(await pagesOf(store.listParts(UPLOAD))).toEqual([[]])
  })

  it('of HEAD is judged by its status alone', async () => {
    expect(await double([named('HEAD error: no body')]).store.head('k')).toBeUndefined()
    expect(await outcome(double([{ status: 403 }]).store.head('k'))).toEqual(['refused', 'Http403'])
  })

  it('of HEAD shows the checksums of the whole object, and no composite', async () => {
    const headers = {
      etag: '"e"',
      'x-amz-checksum-crc64nvme': 'i+6LR0y3eFo=',
      'x-amz-checksum-crc32': 'Z+ry2Q==-3',
    }
    const { store, asked } = double([{ headers }])

    expect((await store.head('k'))?.checksums).toEqual({ crc64nvme: 'i+6LR0y3eFo=' })
    expect(asked[0]!.headers.get('x-amz-checksum-mode')).toBe('ENABLED')
  })
})

describe('a product', () => {
  it.each(S3_PRODUCT_NAMES)('%s signs parts for the public endpoint, with their length', (name) => {
    const { store } = double([], name)
    const part = { partNumber: 1, sizeBytes: 5 }

    const [signed] = store.presignParts(UPLOAD, [part], { from: NOW, seconds: 60 })

    const url = new URL(signed!.url)
    expect(signed!.url).toContain('https://public.example.com:8443/bucket/a%20b/%2B.bin?')
    expect(url.searchParams.get('X-Amz-SignedHeaders')).toBe('content-length;host')
    expect(url.searchParams.get('uploadId')).toBe(UPLOAD.storageUploadId)
    expect(signed!.url).not.toMatch(/checksum/i)
  })

  it('without a question for checksums is not asked for them', async () => {
    const { store, asked } = double([{ headers: { etag: '"e"' } }], 'gcs')

    await store.head('k')

    expect([...asked[0]!.headers.keys()].filter((name) => name.includes('checksum'))).toEqual([])
  })

  it.each<[S3ProductName, number | undefined, number]>([
    ['aws', undefined, Number.POSITIVE_INFINITY],
    ['minio', undefined, 86_400],
    ['minio', 3, 86_400],
    ['r2', undefined, 7 * 86_400],
    ['r2', 3, 3 * 86_400],
  ])('%s, with a rule of %s days, aborts after %s seconds', (name, cleanupDays, seconds) => {
    expect(double([], name, { cleanupDays }).store.cleanupSeconds).toBe(seconds)
  })

  it('deletes an object only after it has seen that one', async () => {
    const other = double([{ headers: { etag: '"other"' } }])
    await other.store.delete('k', { ifMatch: 'seen' })
    expect(other.asked.map(({ method }) => method)).toEqual(['HEAD'])

    const same = double([{ headers: { etag: '"seen"' } }, { status: 204 }])
    await same.store.delete('k', { ifMatch: 'seen' })
    expect(same.asked.map(({ method }) => method)).toEqual(['HEAD', 'DELETE'])
  })
})

// STS answers are read elsewhere; every other vector is asserted above.
it('reads every vector', () => {
  const names = [
    ...Object.keys(COMPLETIONS),
    'CreateMultipartUpload response',
    'ListMultipartUploads, encoding-type=url',
    'ListParts',
    'HEAD error',
    'STS',
  ]
  for (const { name } of vectors.cases) {
    expect(names.some((start) => name.startsWith(start))).toBe(true)
  }
})
