// The object's CRC64 must equal the CRC64 of the checked parts. Otherwise it is not the session's object.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ADMIN_KEY, type Harness, putPart, someBytes, startHarness } from '../support/harness.ts'

const KiB = 1024
const PART = 100 * KiB
const BYTES = someBytes(250 * KiB)
const OTHERS = someBytes(250 * KiB, 2)

let harness: Harness
let app: { id: string; apiKey: string }

beforeAll(async () => {
  harness = await startHarness()
  app = await harness.createApp({ direct: true })
})
afterAll(() => harness.stop())

/** Creates an upload and stores all its parts. */
async function stored() {
  const { body } = await harness.call('POST', '/v1/uploads', app.apiKey, {
    subject: 'ada',
    filename: 'a.bin',
    sizeBytes: BYTES.length,
    partSizeBytes: PART,
  })
  for (const part of body.parts) await putPart(part, BYTES, PART)
  return body
}
const complete = (created: Record<string, any>, body: unknown = {}) =>
  harness.call('POST', `/v1/uploads/${created.id}/complete`, created.completionToken, body)
const find = (id: string) => harness.services.uploads.find(app.id, id)
const head = (key: string) => harness.services.storeNamed('default').head(key)

async function completeDirectly({ method, url, headers }: Record<string, any>) {
  return (await (await fetch(url, { method, headers })).json()) as Record<string, unknown>
}

/** Runs `work` once, right before the store is asked to complete. */
function beforeComplete(work: () => Promise<unknown>) {
  let done = false
  harness.interceptStore((forward) => async (input, init) => {
    if (!done && init?.method === 'POST' && String(input).includes('uploadId=')) {
      done = true
      await work()
    }
    return forward(input, init)
  })
}

describe('a part that changes after it was checked', () => {
  it('fails a direct completion: the callback finishes nothing, the sweep removes the object', async () => {
    const created = await stored()
    const { direct } = (await complete(created, { mode: 'direct' })).body
    await putPart(created.parts[1], OTHERS, PART)

    const answer = await completeDirectly(direct)
    const afterwards = await head(created.key)
    harness.advance({ minutes: 2 })
    await harness.sweep()

    expect(answer).toMatchObject({ id: created.id, state: 'completing' })
    expect(afterwards).toMatchObject({ uploadId: created.id, sizeBytes: BYTES.length })
    expect(await find(created.id)).toMatchObject({ state: 'failed', failure: 'object-mismatch' })
    expect(await head(created.key)).toBeUndefined()
  })

  it('becomes part of it if it was checked again', async () => {
    const created = await stored()
    await complete(created, { mode: 'direct' })
    await putPart(created.parts[1], OTHERS, PART)
    const { direct } = (await complete(created, { mode: 'direct' })).body

    expect(await completeDirectly(direct)).toMatchObject({ state: 'completed' })
  })

  it('keeps the store from a relayed completion, which can be repeated', async () => {
    const created = await stored()
    beforeComplete(() => putPart(created.parts[1], OTHERS, PART))

    const refused = await complete(created)
    harness.interceptStore((forward) => forward)

    expect(refused).toMatchObject({ status: 422, body: { code: 'parts-mismatch' } })
    expect(await complete(created)).toMatchObject({ status: 200, body: { state: 'completed' } })
  })

  it('does not affect a relayed completion whose answer was lost', async () => {
    const created = await stored()
    await complete(created, { mode: 'direct' })
    await putPart(created.parts[1], OTHERS, PART)
    harness.interceptStore((forward) => async (input, init) => {
      const answer = await forward(input, init)
      if (init?.method === 'POST')
        harness.interceptStore(() => async () => Promise.reject(new TypeError('cut')))
      return answer
    })
    expect((await complete(created)).status).toBe(202)
    harness.interceptStore((forward) => forward)
    harness.advance({ minutes: 3 })

    await harness.sweep()

    expect(await find(created.id)).toMatchObject({ state: 'completed' })
  })
})

describe('a store that made something else of the listed parts', () => {
  it('fails a relayed completion, and the object goes', async () => {
    const created = await stored()
    harness.interceptStore((forward) => async (input, init) => {
      const answer = await forward(input, init)
      if (init?.method !== 'HEAD' || !answer.ok) return answer
      const headers = new Headers(answer.headers)
      headers.set('x-oss-hash-crc64ecma', '1')
      return new Response(null, { status: 200, headers })
    })

    const refused = await complete(created)
    harness.interceptStore((forward) => forward)

    expect(refused).toMatchObject({ status: 409, body: { code: 'object-mismatch' } })
    expect(await find(created.id)).toMatchObject({ state: 'failed', failure: 'object-mismatch' })
    expect(await head(created.key)).toBeUndefined()
    expect(await complete(created)).toMatchObject({ status: 409 })
  })
})

describe('nothing is made of', () => {
  it('an empty file with the checksum of another', async () => {
    const { body: created } = await harness.call('POST', '/v1/uploads', app.apiKey, {
      subject: 'ada',
      filename: 'empty.bin',
      sizeBytes: 0,
    })

    expect(await complete(created, { checksum: 'crc64:5' })).toMatchObject({
      status: 422,
      body: { code: 'checksum-mismatch' },
    })
    expect(await head(created.key)).toBeUndefined()
    expect(await complete(created, { checksum: 'crc64:0' })).toMatchObject({ status: 200 })
  })

  it('a stream that is said to be empty and has parts', async () => {
    const path = `/v1/apps/${app.id}/policies/streams`
    await harness.call('PUT', path, ADMIN_KEY, { maxSizeBytes: 1_000_000 })
    const { body: created } = await harness.call('POST', '/v1/uploads', app.apiKey, {
      subject: 'ada',
      filename: 'stream.bin',
      policy: 'streams',
      partSizeBytes: PART,
    })
    await putPart(created.parts[0], BYTES, PART)

    expect(await complete(created, { sizeBytes: 0 })).toMatchObject({
      status: 422,
      body: { code: 'parts-mismatch', unexpected: [1] },
    })
    expect(await head(created.key)).toBeUndefined()
  })
})
