// A value missing from the store's answer is unknown, so nothing is finished, failed or deleted because of it. The outcome stays
// open until an answer is whole. A day after its end the session fails, and its object stays.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { finish } from '../../src/uploads/ending/finish.ts'
import { type Harness, putPart, someBytes, startHarness } from '../support/harness.ts'
import { changingHead, changingXml } from '../support/incomplete-answers.ts'

const KiB = 1024
const PART = 100 * KiB
const BYTES = someBytes(250 * KiB)
const CRC64 = 'x-oss-hash-crc64ecma'
const STAMP = 'x-oss-meta-countersign-upload'

let harness: Harness
let app: { id: string; apiKey: string }

beforeAll(async () => {
  harness = await startHarness()
})
afterAll(() => harness.stop())
beforeEach(async () => {
  app = await harness.createApp({ direct: true, maxSeconds: 3600, maxSizeBytes: 1_000_000 })
})
afterEach(() => harness.interceptStore((forward) => forward))

const store = () => harness.services.storeNamed('default')
const find = (id: string) => harness.services.uploads.find(app.id, id)
const status = (id: string) => harness.call('GET', `/v1/uploads/${id}`, app.apiKey)
const complete = (created: Record<string, any>, body: unknown = {}) =>
  harness.call('POST', `/v1/uploads/${created.id}/complete`, created.completionToken, body)
const whole = () => harness.interceptStore((forward) => forward)
async function sweepAfter(minutes: number) {
  harness.advance({ minutes })
  await harness.sweep()
}

/** Creates an upload and stores all its parts. Up to 8 MiB in one part is a single PUT. */
async function stored(body: Record<string, unknown> = {}) {
  const { body: created } = await harness.call('POST', '/v1/uploads', app.apiKey, {
    subject: 'ada',
    filename: 'a.bin',
    sizeBytes: BYTES.length,
    partSizeBytes: PART,
    ...body,
  })
  for (const part of created.parts) await putPart(part, BYTES, part.sizeBytes)
  return created
}
const single = (body = {}) => stored({ sizeBytes: 1000, partSizeBytes: undefined, ...body })

/** The store completes, but its answer is lost. From then on its HEAD is altered. */
function losesCompletion(changes: Record<string, string | undefined>) {
  harness.interceptStore((forward) => async (input, init) => {
    const answer = await changingHead(changes)(forward)(input, init)
    if (init?.method === 'POST') throw new TypeError('cut')
    return answer
  })
}

describe('HEAD', () => {
  const CHANGES: Array<[string, Record<string, string | undefined>]> = [
    ['without Content-Length', { 'content-length': undefined }],
    ['with a length that is no number', { 'content-length': 'some' }],
    ['without ETag', { etag: undefined }],
    ['with the weak ETag of other bytes', { etag: 'W/"1"' }],
    ['without CRC64', { [CRC64]: undefined }],
    ['with a CRC64 that is no number', { [CRC64]: 'none' }],
    ['without the stamp', { [STAMP]: undefined }],
    ['of a compressed answer', { 'content-length': '20', 'content-encoding': 'gzip' }],
  ]

  it.each(CHANGES)('%s leaves a relayed completion open, and its object', async (_, changes) => {
    const created = await stored()
    harness.interceptStore(changingHead(changes))

    const first = await complete(created)
    await sweepAfter(2)
    const between = await find(created.id)
    whole()
    const kept = await store().head(created.key)
    await sweepAfter(2)

    expect(first).toMatchObject({ status: 202, body: { state: 'completing' } })
    expect(between?.state).toBe('completing')
    expect(kept).toMatchObject({ sizeBytes: BYTES.length, uploadId: created.id })
    expect((await find(created.id))?.state).toBe('completed')
  })

  // The stamp of a single PUT is signed, so an object without it is somebody else's. Its client may set an encoding.
  it.each(CHANGES.filter(([name]) => !/stamp|compressed/.test(name)))(
    '%s leaves a single PUT alone',
    async (_, changes) => {
      const created = await single({ checksum: `crc64:${await crcOf(1000)}` })
      harness.interceptStore(changingHead(changes))

      const answer = await complete(created)
      await sweepAfter(20)
      const between = await find(created.id)
      whole()
      const kept = await store().head(created.key)
      await sweepAfter(20)

      expect(answer).toMatchObject({ status: 202, body: { state: 'completing' } })
      expect(['open', 'completing']).toContain(between?.state)
      expect(kept).toMatchObject({ sizeBytes: 1000 })
      expect((await find(created.id))?.state).toBe('completed')
    },
  )

  it('without Content-Length is no answer to a status: 503, and nothing has changed', async () => {
    const created = await stored()
    losesCompletion({ 'content-length': undefined })
    await complete(created)

    const asked = await status(created.id)

    expect(asked).toMatchObject({
      status: 503,
      body: { code: 'storage-unavailable', storeCode: 'IncompleteAnswer' },
    })
    whole()
    expect((await status(created.id)).body).toMatchObject({ state: 'completed' })
  })

  it('without Content-Length leaves a callback to the sweep', async () => {
    const created = await stored()
    const { direct } = (await complete(created, { mode: 'direct' })).body
    harness.interceptStore(changingHead({ 'content-length': undefined }))

    const answer = await fetch(direct.url, { method: 'POST', headers: direct.headers })

    expect(await answer.json()).toMatchObject({ state: 'completing' })
    expect((await find(created.id))?.state).toBe('open')
    whole()
    await sweepAfter(2)
    expect((await find(created.id))?.state).toBe('completed')
  })

  it('without ETag deletes nothing: what an aborted upload left stays until the answer is whole', async () => {
    const { body: created } = await harness.call('POST', '/v1/uploads', app.apiKey, {
      subject: 'ada',
      filename: 'late.bin',
      sizeBytes: 1000,
    })
    await harness.call('DELETE', `/v1/uploads/${created.id}`, created.uploadToken)
    await putPart(created.parts[0], BYTES, 1000)
    const deleted: string[] = []
    harness.interceptStore((forward) => (input, init) => {
      if (init?.method === 'DELETE') deleted.push(String(input))
      return changingHead({ etag: undefined })(forward)(input, init)
    })

    await sweepAfter(120)

    expect(deleted).toEqual([])
    expect((await find(created.id))?.storageReleasedAt).toBeUndefined()
    whole()
    await sweepAfter(2)
    expect(await store().head(created.key)).toBeUndefined()
    expect((await find(created.id))?.storageReleasedAt).toBeInstanceOf(Date)
  })
})

/** CRC64 of the first bytes, as the store reports it. */
async function crcOf(sizeBytes: number): Promise<string> {
  const created = await single({ sizeBytes })
  return (await store().head(created.key))!.checksums.crc64!
}

describe('a list of parts', () => {
  it.each([
    ['a size that is no number', /<Size>\d+<\/Size>/, '<Size>big</Size>'],
    ['no size', /<Size>\d+<\/Size>/, ''],
    ['no ETag', /<ETag>[^<]+<\/ETag>/, ''],
    ['no part number', /<PartNumber>\d+<\/PartNumber>/, ''],
    ['no date', /<LastModified>[^<]+<\/LastModified>/, ''],
  ])('with %s is no list: nothing is completed, failed or expired on it', async (_, from, to) => {
    const created = await stored()
    harness.interceptStore(changingXml('ListPartsResult', from, to))

    const refused = await complete(created)
    const asked = await status(created.id)

    const unreadable = { status: 503, body: { code: 'storage-unavailable' } }
    expect(refused).toMatchObject(unreadable)
    expect(asked).toMatchObject(unreadable)
    whole()
    expect(await complete(created)).toMatchObject({ status: 200, body: { state: 'completed' } })
  })

  it.each([
    ['no CRC64', ''],
    ['a CRC64 that is no number', '<HashCrc64ecma>none</HashCrc64ecma>'],
  ])(
    'with %s is no check: nothing is completed, and no direct completion signed',
    async (_, to) => {
      const created = await stored()
      const unknown = changingXml('ListPartsResult', /<HashCrc64ecma>\d+<\/HashCrc64ecma>/, to)
      harness.interceptStore(unknown)

      const declared = await complete(created, { checksum: 'crc64:5' })
      const direct = await complete(created, { mode: 'direct' })
      const plain = await complete(created)

      const refused = {
        status: 503,
        body: { code: 'storage-unavailable', storeCode: 'IncompleteAnswer' },
      }
      expect([declared, direct, plain]).toMatchObject([refused, refused, refused])
      expect(await find(created.id)).toMatchObject({ state: 'open', direct: false })
      whole()
      expect(await complete(created)).toMatchObject({ status: 200, body: { state: 'completed' } })
    },
  )
})

describe('at the end of a session', () => {
  /** The store completes nothing, its answer is lost, and it refuses every list of parts from then on. */
  async function refusedForGood() {
    const created = await stored()
    harness.interceptStore((forward) => async (input, init) => {
      if (init?.method === 'POST') throw new TypeError('cut')
      return forward(input, init)
    })
    expect((await complete(created)).status).toBe(202)
    harness.interceptStore((forward) => async (input, init) => {
      if (init?.method === 'GET') return new Response(DENIED, { status: 403 })
      return forward(input, init)
    })
    return created
  }
  const DENIED = '<Error><Code>AccessDenied</Code></Error>'

  it('a completion that was taken over, with its list refused for good, has expired where HEAD shows no object', async () => {
    const created = await refusedForGood()

    // Repeated requests of clients do not count as attempts, because the store is not asked to complete.
    for (let minutes = 0; minutes < 58; minutes += 2) {
      harness.advance({ minutes: 2 })
      expect((await complete(created)).status).toBe(503)
    }
    harness.advance({ minutes: 4 })
    for (let look = 0; look < 3; look++) await sweepAfter(2)

    expect(await find(created.id)).toMatchObject({ state: 'expired' })
  })

  it('an object that HEAD shows finishes the session', async () => {
    const created = await stored()
    harness.interceptStore((forward) => async (input, init) => {
      if (init?.method === 'HEAD') throw new TypeError('cut')
      const answer = await forward(input, init)
      if (init?.method === 'POST') throw new TypeError('cut')
      return answer
    })
    await complete(created)
    harness.advance({ minutes: 61 })
    harness.interceptStore(
      (forward) => async (input, init) =>
        init?.method === 'GET' ? new Response(DENIED, { status: 403 }) : forward(input, init),
    )

    await harness.sweep()

    expect(await find(created.id)).toMatchObject({ state: 'completed' })
  })

  it.each([
    ['relayed', 'without an answer', 'silent'],
    ['relayed', 'without the stamp', { [STAMP]: undefined }],
    ['direct', 'without Content-Length', { 'content-length': undefined }],
  ] as const)(
    'a %s completion of which HEAD tells nothing, %s, fails a day later as outcome-unknown, and all is kept',
    async (mode, _, head) => {
      const created = await stored()
      if (mode === 'direct') {
        const { direct } = (await complete(created, { mode })).body
        harness.interceptCallback(() => async () => new Response('', { status: 500 }))
        await fetch(direct.url, { method: 'POST', headers: direct.headers })
        harness.interceptCallback((forward) => forward)
      } else {
        losesCompletion(head === 'silent' ? { etag: undefined } : head)
        await complete(created)
      }
      const changing: string[] = []
      harness.interceptStore((forward) => async (input, init) => {
        const changes = init?.method === 'DELETE' || init?.method === 'POST'
        if (changes && String(input).includes(created.id)) changing.push(init.method!)
        if (init?.method === 'HEAD' && head === 'silent') throw new TypeError('cut')
        return head === 'silent' ? forward(input, init) : changingHead(head)(forward)(input, init)
      })

      await sweepAfter(61)
      await sweepAfter(23 * 60)
      const before = await find(created.id)
      await sweepAfter(120)
      const failed = await find(created.id)
      await sweepAfter(60)
      await sweepAfter(25 * 60)

      expect(['open', 'completing']).toContain(before?.state)
      expect(failed).toMatchObject({ state: 'failed', failure: 'outcome-unknown' })
      expect(changing).toEqual([])
      expect((await find(created.id))?.storageReleasedAt).toBeUndefined()
      expect(harness.lines.join('\n')).toContain(
        'the outcome of an upload is not known: look at its key',
      )
      whole()
      expect(await store().head(created.key)).toMatchObject({ uploadId: created.id })
    },
  )

  it('what was kept is not removed by a callback that comes even later', async () => {
    const created = await stored()
    losesCompletion({ etag: undefined })
    await complete(created)
    const before = (await find(created.id))!
    harness.interceptStore(changingHead({ etag: undefined }))
    await sweepAfter(61)
    await sweepAfter(25 * 60)
    whole()
    const object = (await store().head(created.key))!

    const reached = await finish(harness.services, before, {
      ...object,
      sizeBytes: object.sizeBytes!,
      etag: object.etag!,
    })

    expect(reached).toMatchObject({ state: 'failed', failure: 'outcome-unknown' })
    expect(await store().head(created.key)).toMatchObject({ uploadId: created.id })
  })

  it('what was kept gives its quota back once nothing of it is there any more', async () => {
    const created = await stored()
    losesCompletion({ etag: undefined })
    await complete(created)
    harness.interceptStore(changingHead({ etag: undefined }))
    await sweepAfter(61)
    await sweepAfter(25 * 60)
    expect(await find(created.id)).toMatchObject({ failure: 'outcome-unknown' })
    whole()
    await sweepAfter(25 * 60)
    expect((await find(created.id))?.storageReleasedAt).toBeUndefined()
    const { etag } = (await store().head(created.key))!
    await store().delete(created.key, { ifMatch: etag! })

    await sweepAfter(25 * 60)

    expect((await find(created.id))?.storageReleasedAt).toBeInstanceOf(Date)
  })

  it('a session that never asked the store to complete expires, whatever the store says', async () => {
    const created = await stored()
    harness.interceptStore(() => async () => Promise.reject(new TypeError('cut')))

    await sweepAfter(61)

    expect(await find(created.id)).toMatchObject({ state: 'expired' })
    whole()
    await sweepAfter(2)
    expect((await find(created.id))?.storageReleasedAt).toBeInstanceOf(Date)
  })
})

it('a storage upload without its date does not count as old, even in an exclusive store', async () => {
  const own = await startHarness({ storeSettings: { exclusive: true } })
  try {
    const { keyPrefix } = await own.createApp()
    const theirs = await own.services.storeNamed('default').initiate({
      key: `${keyPrefix ?? ''}/foreign.bin`,
      uploadId: 'upl_ffffffffffffffffffffffffffffffff',
      contentType: 'text/plain',
      overwrite: 'replace',
    })
    own.interceptStore(
      changingXml('ListMultipartUploadsResult', /<Initiated>[^<]+<\/Initiated>/, ''),
    )
    own.advance({ hours: 2 })
    await own.sweep()
    own.interceptStore((forward) => forward)

    const left = await own.services.storeNamed('default').listUploads(`${keyPrefix}/foreign.bin`)
    expect(left.map(({ storageUploadId }) => storageUploadId)).toEqual([theirs])
  } finally {
    await own.stop()
  }
})
