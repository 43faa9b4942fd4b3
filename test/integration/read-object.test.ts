// Reading an object back: a GET is signed only if HEAD shows the very object that completed the session.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ADMIN_KEY, type Harness, putPart, someBytes, startHarness } from '../support/harness.ts'
import { changingHead } from '../support/incomplete-answers.ts'

const KiB = 1024
const BYTES = someBytes(150 * KiB)
const OTHERS = someBytes(150 * KiB, 2)

let harness: Harness
let app: { id: string; apiKey: string }

beforeAll(async () => {
  harness = await startHarness()
})
afterAll(() => harness.stop())
beforeEach(async () => {
  app = await harness.createApp({
    readBack: true,
    keyTemplate: '{subject}/{filename}',
    overwrite: 'replace',
    credentials: true,
  })
})
afterEach(() => harness.interceptStore((forward) => forward))

const store = () => harness.services.storeNamed('default')

async function completed(
  bytes = BYTES,
  of: Record<string, string> = {},
): Promise<Record<string, any>> {
  const { body } = await harness.call('POST', '/v1/uploads', app.apiKey, {
    subject: 'ada',
    filename: 'a.bin',
    ...of,
    sizeBytes: bytes.length,
    partSizeBytes: 100 * KiB,
  })
  for (const part of body.parts) await putPart(part, bytes, 100 * KiB)
  const path = `/v1/uploads/${body.id}/complete`
  const done = await harness.call('POST', path, body.completionToken)
  return { ...body, object: done.body.object }
}
const read = ({ id, uploadToken }: Record<string, any>, credential = uploadToken) =>
  harness.call('GET', `/v1/uploads/${id}/object`, credential)

describe('the object of a session', () => {
  it('is signed for a GET after one HEAD', async () => {
    const created = await completed()
    const before = harness.counts.storeCalls

    const answer = await read(created)

    expect(answer.status).toBe(302)
    expect(harness.counts.storeCalls - before).toBe(1)
    const got = await fetch(answer.headers.get('location')!)
    expect(new Uint8Array(await got.arrayBuffer())).toEqual(BYTES)
  })

  it('that another session has replaced is not: nobody reads another’s', async () => {
    const mine = await completed()
    // The templates of two policies can render the same key.
    await harness.call('PUT', `/v1/apps/${app.id}/policies/reversed`, ADMIN_KEY, {
      readBack: true,
      keyTemplate: '{filename}/{subject}',
      overwrite: 'replace',
    })
    const reversed = { policy: 'reversed', subject: 'a.bin', filename: 'ada' }
    const theirs = await completed(OTHERS, reversed)
    expect(theirs.key).toBe(mine.key)

    const refused = { status: 409, body: { code: 'object-mismatch' } }
    expect(await read(mine)).toMatchObject(refused)
    expect(await read(mine, app.apiKey)).toMatchObject(refused)
    expect((await read(theirs)).status).toBe(302)
  })

  it.each([
    ['is gone', undefined],
    ['was replaced by other bytes under the same stamp', 'replaced'],
  ])('that %s is not', async (_, then) => {
    const created = await completed()
    await store().delete(created.key, { ifMatch: created.object.etag })
    if (then) {
      await store().putEmpty({
        key: created.key,
        uploadId: created.id,
        contentType: 'text/plain',
        overwrite: 'replace',
      })
    }

    expect(await read(created)).toMatchObject({ status: 409, body: { code: 'object-mismatch' } })
  })

  it.each([
    ['does not answer', () => async () => Promise.reject(new TypeError('cut'))],
    ['tells no ETag', changingHead({ etag: undefined })],
    ['tells no length', changingHead({ 'content-length': undefined })],
    ['tells no stamp', changingHead({ 'x-oss-meta-countersign-upload': undefined })],
  ] as Array<[string, (forward: typeof fetch) => typeof fetch]>)(
    'is not where the store %s: 503',
    async (_, between) => {
      const created = await completed()
      harness.interceptStore(between)

      expect(await read(created)).toMatchObject({
        status: 503,
        body: { code: 'storage-unavailable' },
      })
    },
  )

  it('is not readable before it is completed, and the store is not asked', async () => {
    const { body: created } = await harness.call('POST', '/v1/uploads', app.apiKey, {
      subject: 'ada',
      filename: 'open.bin',
      sizeBytes: 1,
    })
    const before = harness.counts.storeCalls

    expect(await read(created)).toMatchObject({ status: 409, body: { code: 'upload-not-open' } })
    expect(harness.counts.storeCalls).toBe(before)
  })
})
