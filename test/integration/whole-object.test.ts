// Objects uploaded whole (by a single PUT, a form or temporary credentials) have no parts to list, so the service sees only their
// HEAD. A declaration at completion binds that attempt alone. A declaration at creation binds the session.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { crc64 } from '../../src/bytes/crc64.ts'
import { type Harness, someBytes, startHarness } from '../support/harness.ts'
import { expectExactQuota } from '../support/invariants.ts'

const BYTES = someBytes(1000)
const RIGHT = `crc64:${crc64(BYTES)}`
const WRONG = 'crc64:5'

let harness: Harness
let app: { id: string; apiKey: string; keyPrefix: string }

beforeAll(async () => {
  harness = await startHarness()
})
afterAll(() => harness.stop())
beforeEach(async () => {
  app = await harness.createApp({ maxSizeBytes: 1_000_000, credentials: true })
})
afterEach(() => harness.interceptStore((forward) => forward))

type Created = Record<string, any>

const store = () => harness.services.storeNamed('default')
const find = (id: string) => harness.services.uploads.find(app.id, id)
const complete = (created: Created, body: unknown = {}) =>
  harness.call('POST', `/v1/uploads/${created.id}/complete`, created.completionToken, body)
const create = async (body: Created): Promise<Created> =>
  (await harness.call('POST', '/v1/uploads', app.apiKey, { ...FILE, ...body })).body
const FILE = { subject: 'ada', filename: 'a.txt', contentType: 'text/plain', sizeBytes: 1000 }

const put = ({ parts }: Created, headers: Record<string, string> = {}) =>
  fetch(parts[0].url, { method: 'PUT', headers: { ...parts[0].headers, ...headers }, body: BYTES })

async function post({ form }: Created, fields: Record<string, string> = {}): Promise<number> {
  const sent = new FormData()
  for (const [name, value] of Object.entries({ ...form.fields, ...fields })) {
    sent.set(name, String(value))
  }
  sent.set('file', new Blob([BYTES]), 'a.txt')
  return (await fetch(form.url, { method: 'POST', body: sent })).status
}

/** Puts as a client's own SDK does: without a stamp, with any headers. It signs with the service's own credentials. */
async function putByOwnSdk(key: string, headers: Record<string, string> = {}) {
  const signed = store().presignPut(
    { key, uploadId: 'none', contentType: 'text/plain', overwrite: 'never' },
    { partNumber: 1, sizeBytes: BYTES.length },
    { from: harness.clock(), seconds: 60 },
  )
  const sent = { ...signed.headers, ...headers }
  expect((await fetch(signed.url, { method: 'PUT', headers: sent, body: BYTES })).status).toBe(200)
}

/** Sessions whose object is stored, one for each way to upload it whole. */
const WHOLE: Array<
  [string, (body?: Created, headers?: Record<string, string>) => Promise<Created>]
> = [
  [
    'a single PUT',
    async (body = {}, headers) => {
      const created = await create(body)
      expect((await put(created, headers)).status).toBe(200)
      return created
    },
  ],
  [
    'a form',
    async (body = {}, headers) => {
      const created = await create({ ...body, method: 'form' })
      expect(await post(created, headers)).toBe(200)
      return created
    },
  ],
  [
    'temporary credentials',
    async (body = {}, headers) => {
      const issued = (
        await harness.call('POST', '/v1/credentials', app.apiKey, { ...FILE, ...body })
      ).body
      await putByOwnSdk(issued.key, headers)
      return { ...issued, id: issued.uploadId }
    },
  ],
]

describe.each(WHOLE)('%s', (_, stored) => {
  it('completed with a wrong checksum stays open with its object, and completes with the right one', async () => {
    const created = await stored()

    const refused = await complete(created, { checksum: WRONG })
    const between = await find(created.id)
    const object = await store().head(created.key)
    const done = await complete(created, { checksum: RIGHT })

    expect(refused).toMatchObject({
      status: 422,
      body: { code: 'checksum-mismatch', declared: WRONG, stored: RIGHT },
    })
    expect(between).toMatchObject({ state: 'open', checksum: undefined })
    expect(object).toMatchObject({ sizeBytes: 1000 })
    expect(done).toMatchObject({
      status: 200,
      body: { state: 'completed', object: { declared: RIGHT } },
    })
    await expectExactQuota(harness)
  })

  it('whose completion died with a wrong checksum is completed by the sweep, with nothing declared', async () => {
    const created = await stored()
    harness.interceptStore(() => async () => Promise.reject(new TypeError('cut')))
    expect((await complete(created, { checksum: WRONG })).status).toBe(202)
    harness.interceptStore((forward) => forward)

    harness.advance({ minutes: 3 })
    await harness.sweep()

    expect(await find(created.id)).toMatchObject({ state: 'completed', checksum: undefined })
    expect(await complete(created, { checksum: WRONG })).toMatchObject({ status: 422 })
  })
})

describe.each(WHOLE.slice(0, 2))('%s', (_, stored) => {
  it('created with a wrong checksum fails and goes: it cannot be sent again', async () => {
    const created = await stored({ checksum: WRONG })

    const refused = await complete(created)

    expect(refused).toMatchObject({ status: 409, body: { code: 'object-mismatch' } })
    expect(await find(created.id)).toMatchObject({ state: 'failed', failure: 'object-mismatch' })
    expect(await store().head(created.key)).toBeUndefined()
  })
})

describe.each(WHOLE.slice(1))('%s of unknown size', (_, stored) => {
  it('completed with a wrong size stays open with its object, and completes with the right one', async () => {
    const created = await stored({ sizeBytes: undefined })

    const refused = await complete(created, { sizeBytes: 999 })
    const object = await store().head(created.key)

    expect(refused).toMatchObject({
      status: 422,
      body: { code: 'parts-mismatch', storedBytes: 1000, sizeBytes: 999 },
    })
    expect(object).toMatchObject({ sizeBytes: 1000 })
    expect(await find(created.id)).toMatchObject({ state: 'open' })
    expect(await complete(created, { sizeBytes: 1000 })).toMatchObject({ status: 200 })
  })
})

describe.each(WHOLE)('%s', (name, stored) => {
  const OWN = {
    'Cache-Control': 'max-age=60',
    'Content-Disposition': 'inline',
    Expires: 'Thu, 01 Jan 2037 00:00:00 GMT',
    'Content-Language': 'de',
  }

  it('with headers that the policy does not set is completed, and they are recorded as HEAD shows them', async () => {
    // A form has no field for Content-Language.
    const { 'Content-Language': contentLanguage, ...others } = OWN
    const hasLanguage = name !== 'a form'
    const created = await stored({}, hasLanguage ? OWN : others)

    const done = await complete(created)
    const { body: seen } = await harness.call('GET', `/v1/uploads/${created.id}`, app.apiKey)

    const headers = {
      cacheControl: 'max-age=60',
      contentDisposition: 'inline',
      expires: 'Thu, 01 Jan 2037 00:00:00 GMT',
      ...(hasLanguage ? { contentLanguage } : {}),
    }
    expect(done).toMatchObject({ status: 200, body: { state: 'completed' } })
    expect(done.body.object.headers).toEqual(headers)
    expect(seen.object.headers).toEqual(headers)
  })

  it('with an encoding that the policy lacks fails and goes', async () => {
    const created = await stored({}, { 'Content-Encoding': 'gzip' })

    const refused = await complete(created)

    expect(refused).toMatchObject({
      status: 409,
      body: { code: 'object-mismatch', detail: expect.stringContaining('Content-Encoding gzip') },
    })
    expect(await find(created.id)).toMatchObject({ state: 'failed', failure: 'object-mismatch' })
    expect(await store().head(created.key)).toBeUndefined()
  })

  it('with an encoding that changes nothing is completed', async () => {
    const created = await stored({}, { 'Content-Encoding': 'identity' })

    expect(await complete(created)).toMatchObject({ status: 200, body: { state: 'completed' } })
  })
})

it('a single PUT cannot leave out or change what the policy sets, and that is not recorded again', async () => {
  app = await harness.createApp({
    object: { cacheControl: 'no-store', contentDisposition: 'attachment; filename="x"' },
  })
  const created = await create({})

  const changed = await put(created, { 'Cache-Control': 'max-age=60' })
  const disposed = await put(created, { 'Content-Disposition': 'inline' })
  const sent = await put(created)

  expect([changed.status, disposed.status, sent.status]).toEqual([403, 403, 200])
  expect((await complete(created)).body.object.headers).toBeUndefined()
})
