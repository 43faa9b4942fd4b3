// Delta uploads over the API: which objects may be copied, and that only the planned bytes become a part.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ADMIN_KEY, type Harness, putPart, someBytes, startHarness } from '../support/harness.ts'

const KiB = 1024
const PART = 100 * KiB
const BYTES = someBytes(250 * KiB)

let harness: Harness
let app: { id: string; apiKey: string }

beforeAll(async () => {
  harness = await startHarness()
  app = await harness.createApp({ delta: true, maxSizeBytes: 50_000_000 })
})
afterAll(() => harness.stop())

const create = async (body: Record<string, unknown> = {}, key = app.apiKey) => {
  const created = await harness.call('POST', '/v1/uploads', key, {
    subject: 'ada',
    filename: 'a b+ü.bin',
    sizeBytes: BYTES.length,
    partSizeBytes: PART,
    ...body,
  })
  expect(created.status).toBe(201)
  return created.body
}
const complete = (created: Record<string, any>, body: unknown = {}) =>
  harness.call('POST', `/v1/uploads/${created.id}/complete`, created.completionToken, body)

/** Creates a completed upload of BYTES. */
async function aSource(body: Record<string, unknown> = {}, key = app.apiKey) {
  const created = await create(body, key)
  for (const part of created.parts) await putPart(part, BYTES, created.plan.partSizeBytes)
  expect(await complete(created)).toMatchObject({ status: 200 })
  return created
}

const copy = (
  target: Record<string, any>,
  source: Record<string, any>,
  parts: unknown,
  key = app.apiKey,
) => harness.call('POST', `/v1/uploads/${target.id}/copies`, key, { source: source.id, parts })

async function readBack(id: string): Promise<Uint8Array> {
  const answer = await harness.call('GET', `/v1/uploads/${id}/object`, app.apiKey)
  return new Uint8Array(await (await fetch(answer.headers.get('location')!)).arrayBuffer())
}

/** Watches or changes the copy requests on their way to the store. */
async function withCopies<Result>(
  between: (forward: typeof fetch, headers: Headers) => Promise<Response>,
  work: () => Promise<Result>,
) {
  harness.interceptStore((forward) => async (input, init) => {
    const headers = new Headers(init?.headers)
    if (!headers.has('x-oss-copy-source')) return forward(input, init)
    const altered: typeof fetch = (_, changes) => forward(input, { ...init, ...changes })
    return between(altered, headers)
  })
  try {
    return await work()
  } finally {
    harness.interceptStore((forward) => forward)
  }
}

/** Counts the copies that the call asks the store for. */
async function copiesDuring(work: () => Promise<unknown>): Promise<number> {
  let asked = 0
  await withCopies((forward) => {
    asked++
    return forward('')
  }, work)
  return asked
}

describe('copies', () => {
  it('of all parts except a changed one make the new version without sending them again', async () => {
    const source = await aSource()
    const target = await create()
    const changed = BYTES.slice()
    changed.fill(7, PART, 2 * PART)

    const answer = await copy(target, source, [
      [1, 1],
      [3, 3],
    ])
    await putPart(target.parts[1], changed, PART)

    expect(answer).toMatchObject({
      status: 200,
      body: { copied: [1, 3], storedParts: { count: 2, bytes: 150 * KiB } },
    })
    expect(await complete(target)).toMatchObject({ status: 200, body: { state: 'completed' } })
    expect(await readBack(target.id)).toEqual(changed)
    expect(await readBack(source.id)).toEqual(BYTES)
  })

  it('may move and repeat a part of the source', async () => {
    const source = await aSource()
    const target = await create({ sizeBytes: 3 * PART })

    await copy(target, source, [
      [2, 1],
      [1, 2],
      [2, 3],
    ])

    expect((await complete(target)).status).toBe(200)
    const [one, two] = [BYTES.subarray(0, PART), BYTES.subarray(PART, 2 * PART)]
    expect(await readBack(target.id)).toEqual(new Uint8Array([...two, ...one, ...two]))
  })

  it('reach a source that was one PUT, and a target of unknown size', async () => {
    const single = await aSource({ partSizeBytes: undefined })
    expect(single.method).toBe('single')
    const stream = await create({ sizeBytes: undefined, partSizeBytes: undefined })

    // The single PUT is one part of 250 KiB. A part of the stream has another size.
    expect(await copy(stream, single, [[1, 1]])).toMatchObject({
      status: 422,
      body: { code: 'parts-mismatch', wrongSize: [{ partNumber: 1, sizeBytes: BYTES.length }] },
    })
    const target = await create({ sizeBytes: BYTES.length + 5, partSizeBytes: BYTES.length })
    expect(await copy(target, single, [[1, 1]])).toMatchObject({ body: { copied: [1] } })
  })
})

describe('a copy is refused', () => {
  let source: Record<string, any>
  beforeAll(async () => {
    source = await aSource()
  })

  const refusals: Array<[string, () => Promise<unknown>, number, string]> = [
    [
      'where the policy does not say delta',
      async () => {
        const path = `/v1/apps/${app.id}/policies/plain`
        expect((await harness.call('PUT', path, ADMIN_KEY, {})).status).toBe(200)
        return copy(await create({ policy: 'plain' }), source, [[1, 1]])
      },
      403,
      'forbidden',
    ],
    [
      'from another subject’s upload',
      async () => copy(await create({ subject: 'bob' }), source, [[1, 1]]),
      404,
      'upload-not-found',
    ],
    [
      'from another app’s upload',
      async () => {
        const other = await harness.createApp({ delta: true })
        return copy(await create({}, other.apiKey), source, [[1, 1]], other.apiKey)
      },
      404,
      'upload-not-found',
    ],
    [
      'from an upload that does not exist',
      async () => copy(await create(), { id: 'upl_0' }, [[1, 1]]),
      404,
      'upload-not-found',
    ],
    [
      'from an upload that is not completed',
      async () => copy(await create(), await create(), [[1, 1]]),
      409,
      'upload-not-open',
    ],
    [
      'into another app’s upload',
      async () => {
        const other = await harness.createApp({ delta: true })
        return copy(await create({}, other.apiKey), source, [[1, 1]])
      },
      404,
      'upload-not-found',
    ],
    [
      'into an upload that has ended',
      async () => {
        const target = await create()
        await harness.call('DELETE', `/v1/uploads/${target.id}`, app.apiKey)
        return copy(target, source, [[1, 1]])
      },
      409,
      'upload-not-open',
    ],
    [
      'into a completed upload',
      async () => copy(await aSource(), source, [[1, 1]]),
      409,
      'upload-not-open',
    ],
    [
      'into a single PUT',
      async () => copy(await create({ partSizeBytes: undefined }), source, [[1, 1]]),
      403,
      'forbidden',
    ],
    [
      'beyond the source',
      async () => copy(await create(), source, [[4, 1]]),
      422,
      'part-out-of-range',
    ],
    [
      'beyond the target',
      async () => copy(await create(), source, [[1, 4]]),
      422,
      'part-out-of-range',
    ],
    [
      'of a part that is shorter than what it would become',
      async () => copy(await create(), source, [[3, 1]]),
      422,
      'parts-mismatch',
    ],
    [
      'of a part that is longer than what it would become',
      async () => copy(await create(), source, [[1, 3]]),
      422,
      'parts-mismatch',
    ],
  ]

  it.each(refusals)('%s, before the store is asked', async (_, attempt, status, code) => {
    let answer: unknown
    const asked = await copiesDuring(async () => {
      answer = await attempt()
    })

    expect(answer).toMatchObject({ status, body: { code } })
    expect(asked).toBe(0)
  })

  it('with an upload token, which is not the owner’s', async () => {
    const target = await create()

    const answer = await copy(target, source, [[1, 1]], target.uploadToken)

    expect(answer).toMatchObject({ status: 403, body: { code: 'forbidden' } })
  })

  it.each([
    { source: 'upl_1', parts: [] },
    { source: 'upl_1', parts: [[0, 1]] },
    { source: 'upl_1', parts: [[1, 10_001]] },
    { source: 'upl_1', parts: [[1]] },
    { source: '../bucket', parts: [[1, 1]] },
    { source: 'upl_1', parts: Array.from({ length: 101 }, (_, index) => [1, index + 1]) },
    {
      source: 'upl_1',
      parts: [
        [1, 1],
        [2, 1],
      ],
    },
    { source: 'upl_1', parts: [[1, 1]], range: 'bytes=0-1' },
  ])('for a body like %j', async (body) => {
    const target = await create()

    const answer = await harness.call('POST', `/v1/uploads/${target.id}/copies`, app.apiKey, body)

    expect(answer).toMatchObject({ status: 400, body: { code: 'invalid-request' } })
  })

  it('with an expired grant from what another grant created', async () => {
    const grant = async (ttlSeconds: number) =>
      (await harness.call('POST', '/v1/grants', app.apiKey, { subject: 'gil', ttlSeconds })).body
        .grant as string
    const [first, second] = await Promise.all([grant(60), grant(60)])
    const [foreign, own] = [
      await aSource({ subject: undefined }, first),
      await aSource({ subject: undefined }, second),
    ]
    const target = await create({ subject: undefined }, second)
    harness.advance({ minutes: 2 })

    expect(await copy(target, foreign, [[1, 1]], second)).toMatchObject({
      status: 404,
      body: { code: 'upload-not-found' },
    })
    expect(await copy(target, own, [[1, 1]], second)).toMatchObject({ body: { copied: [1] } })
  })
})

describe('a source that has changed since its upload', () => {
  const replace = async (key: string, bytes: Uint8Array<ArrayBuffer>) => {
    const store = harness.services.storeNamed('default')
    const part = { partNumber: 1, sizeBytes: bytes.length }
    const object = { key, uploadId: 'upl_other', contentType: 'x/y', overwrite: 'replace' } as const
    const put = store.presignPut(object, part, { from: harness.clock(), seconds: 60 })
    expect(
      (await fetch(put.url, { method: 'PUT', headers: put.headers, body: bytes })).status,
    ).toBe(200)
  }

  it('is refused before anything is copied', async () => {
    const source = await aSource()
    const target = await create()
    await replace(source.key, BYTES)

    let answer: unknown
    const asked = await copiesDuring(async () => {
      answer = await copy(target, source, [[1, 1]])
    })

    expect(answer).toMatchObject({ status: 409, body: { code: 'object-mismatch' } })
    expect(asked).toBe(0)
  })

  it('is refused where it is gone', async () => {
    const source = await aSource()
    const store = harness.services.storeNamed('default')
    const object = await store.head(source.key)
    await store.delete(source.key, { ifMatch: object!.etag! })

    expect(await copy(await create(), source, [[1, 1]])).toMatchObject({
      status: 409,
      body: { code: 'object-mismatch' },
    })
  })

  it('is refused by the store if it changes after our check', async () => {
    const source = await aSource()
    const target = await create()

    const answer = await withCopies(
      async (forward) => {
        await replace(source.key, someBytes(BYTES.length, 2))
        return forward('')
      },
      () => copy(target, source, [[1, 1]]),
    )

    expect(answer).toMatchObject({ status: 409, body: { code: 'object-mismatch' } })
    const status = await harness.call('GET', `/v1/uploads/${target.id}`, app.apiKey)
    expect(status.body).toMatchObject({ state: 'open', storedParts: { count: 0 } })
  })
})

describe('what the store did', () => {
  it('is checked: a part that holds the whole object is reported, and never completed', async () => {
    const source = await aSource()
    const target = await create()
    const store = harness.services.storeNamed('default')

    // OSS does this for a range that it does not accept.
    const answer = await withCopies(
      async (forward, headers) => {
        if (headers.get('x-oss-copy-source-range') !== `bytes=0-${PART - 1}`) return forward('')
        const upload = {
          key: target.key,
          storageUploadId: (await harness.services.uploads.find(app.id, target.id))!
            .storageUploadId!,
        }
        const etag = (await store.head(source.key))!.etag!
        harness.interceptStore((plain) => plain)
        await store.copyPart!(upload, 1, { key: source.key, etag, first: 0, last: BYTES.length })
        return new Response('<CopyPartResult><ETag>"x"</ETag></CopyPartResult>')
      },
      () =>
        copy(target, source, [
          [1, 1],
          [2, 2],
        ]),
    )

    expect(answer).toMatchObject({
      status: 422,
      body: {
        code: 'parts-mismatch',
        wrongSize: [{ partNumber: 1, sizeBytes: BYTES.length }],
        copied: [2],
      },
    })
    await putPart(target.parts[2], BYTES, PART)
    expect(await complete(target)).toMatchObject({
      status: 422,
      body: { code: 'parts-mismatch', wrongSize: [{ partNumber: 1 }] },
    })
    await putPart(target.parts[0], BYTES, PART)
    expect(await complete(target)).toMatchObject({ status: 200 })
    expect(await readBack(target.id)).toEqual(BYTES)
  })

  it('that fails halfway reports the finished parts', async () => {
    const source = await aSource()
    const target = await create()

    const answer = await withCopies(
      async (forward, headers) => {
        if (headers.get('x-oss-copy-source-range')?.startsWith('bytes=0-')) return forward('')
        throw new TypeError('cut')
      },
      () =>
        copy(target, source, [
          [1, 1],
          [2, 2],
        ]),
    )

    expect(answer).toMatchObject({ status: 200, body: { copied: [1], storedParts: { count: 1 } } })
  })

  it('without an answer to any copy is a problem that says to try again', async () => {
    const source = await aSource()

    const answer = await withCopies(
      async () => {
        throw new TypeError('cut')
      },
      async () => copy(await create(), source, [[1, 1]]),
    )

    expect(answer).toMatchObject({ status: 503, body: { code: 'storage-unavailable' } })
  })

  it('to a lost storage upload is healed by GET, like any other', async () => {
    const source = await aSource()
    const target = await create()
    const { storageUploadId } = (await harness.services.uploads.find(app.id, target.id))!
    await harness.services
      .storeNamed('default')
      .abort({ key: target.key, storageUploadId: storageUploadId! })

    const lost = await copy(target, source, [[1, 1]])
    const healed = await harness.call('GET', `/v1/uploads/${target.id}`, app.apiKey)

    expect(lost).toMatchObject({ status: 409, body: { code: 'storage-upload-lost' } })
    expect(healed.body).toMatchObject({ state: 'open', healed: true })
    expect(await copy(target, source, [[1, 1]])).toMatchObject({ body: { copied: [1] } })
  })

  it('runs at most five copies at a time, and begins none after twenty seconds', async () => {
    const source = await aSource()
    const target = await create({ sizeBytes: 40 * PART })
    let running = 0
    let most = 0
    let asked = 0

    const answer = await withCopies(
      async (forward) => {
        asked++
        most = Math.max(most, ++running)
        const response = await forward('')
        running--
        if (asked === 10) harness.advance({ seconds: 21 })
        return response
      },
      () =>
        copy(
          target,
          source,
          Array.from({ length: 40 }, (_, index) => [1, index + 1]),
        ),
    )

    expect(most).toBe(5)
    expect(asked).toBeLessThan(15)
    expect(answer).toMatchObject({ status: 200, body: { storedParts: { count: asked } } })
    expect(answer).toHaveProperty('body.copied.length', asked)
  })
})
