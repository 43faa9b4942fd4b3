// Form uploads end to end: the API signs a form, a browser's request posts it, and the embedded store judges it.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Harness, someBytes, startHarness } from '../support/harness.ts'

const KiB = 1024

interface Form {
  url: string
  fields: Record<string, string>
}

let harness: Harness
let app: { id: string; apiKey: string; keyPrefix: string }

beforeAll(async () => {
  harness = await startHarness()
})
afterAll(() => harness.stop())
beforeEach(async () => {
  app = await harness.createApp({ readBack: true, maxSizeBytes: 1_000_000 })
})
afterEach(() => harness.interceptStore((forward) => forward))

const create = (body: Record<string, unknown> = {}) =>
  harness.call('POST', '/v1/uploads', app.apiKey, {
    subject: 'ada',
    filename: 'a b ü文.png',
    contentType: 'image/png',
    sizeBytes: 10 * KiB,
    method: 'form',
    ...body,
  })

/** Posts as a browser does: the fields, then the file. Leaves out fields that are undefined. */
async function post({ url, fields }: Form, bytes: Uint8Array<ArrayBuffer>, change = {}) {
  const form = new FormData()
  for (const [name, value] of Object.entries({ ...fields, ...change })) {
    if (value !== undefined) form.set(name, String(value))
  }
  form.set('file', new Blob([bytes], { type: 'text/html' }), 'chosen name.html')
  const answer = await fetch(url, { method: 'POST', body: form })
  const text = await answer.text()
  return { status: answer.status, text, code: /<Code>(\w+)/.exec(text)?.[1] }
}

const complete = ({ id, completionToken }: Record<string, string>, body = {}) =>
  harness.call('POST', `/v1/uploads/${id}/complete`, completionToken, body)

const status = async (id: string) =>
  (await harness.call('GET', `/v1/uploads/${id}`, app.apiKey)).body

const head = (key: string) => harness.services.storeNamed('default').head(key)

describe('a form', () => {
  it('creates the object, with the declared type and the stamp', async () => {
    const bytes = someBytes(10 * KiB)

    const { status: created, body } = await create()
    expect(created).toBe(201)
    expect(body).toMatchObject({
      method: 'form',
      plan: { sizeBytes: 10 * KiB, partCount: 1 },
      parts: [],
      complete: { direct: false },
      form: { url: `${harness.store.url}/bucket/`, expiresAt: expect.any(String) },
    })
    const life = Date.parse(body.form.expiresAt) - harness.clock().getTime()
    expect(life).toBeLessThanOrEqual(15 * 60_000)
    expect(life).toBeGreaterThan(14 * 60_000)
    expect(await post(body.form, bytes)).toMatchObject({ status: 200, text: '' })
    const done = await complete(body)

    expect(done).toMatchObject({
      status: 200,
      body: { state: 'completed', method: 'form', object: { sizeBytes: 10 * KiB } },
    })
    expect(await head(body.key)).toMatchObject({ contentType: 'image/png', uploadId: body.id })
    const object = await harness.call('GET', `/v1/uploads/${body.id}/object`, app.apiKey)
    const read = await fetch(object.headers.get('location')!)
    expect(new Uint8Array(await read.arrayBuffer())).toEqual(bytes)
  })

  it('names every field that it sends in its policy', async () => {
    app = await harness.createApp({
      direct: true,
      object: { storageClass: 'IA', cacheControl: 'no-store', metadata: { team: 'blue' } },
    })
    const { fields } = (await create()).body.form as Form

    const { policy, 'x-oss-signature': _, ...sent } = fields
    const { conditions } = JSON.parse(Buffer.from(policy!, 'base64').toString()) as {
      conditions: unknown[]
    }
    const named = conditions.flatMap((condition) =>
      Array.isArray(condition)
        ? condition[0] === 'eq'
          ? [[String(condition[1]).slice(1), condition[2]]]
          : []
        : Object.entries(condition as object),
    )

    const lower = Object.entries(sent).map(([name, value]) => [name.toLowerCase(), value])
    expect(Object.fromEntries(named)).toEqual({ ...Object.fromEntries(lower), bucket: 'bucket' })
    expect(Object.keys(sent)).toEqual(expect.arrayContaining(['callback', 'x:token', 'key']))
  })

  it.each([
    ['another key', { key: 'somewhere/else' }],
    ['another type', { 'Content-Type': 'text/html' }],
    ['another stored type', { 'x-oss-content-type': 'text/html' }],
    ['another stamp', { 'x-oss-meta-countersign-upload': 'upl_other' }],
    ['overwriting', { 'x-oss-forbid-overwrite': 'false' }],
    ['another access list', { 'x-oss-object-acl': 'public-read' }],
    ['a later date', { 'x-oss-date': '20991231T000000Z' }],
    ['no forbid-overwrite', { 'x-oss-forbid-overwrite': undefined }],
    ['no stamp', { 'x-oss-meta-countersign-upload': undefined }],
  ])('is refused with %s, and stores nothing', async (_, change) => {
    const { body } = await create()

    const refused = await post(body.form, someBytes(10 * KiB), change)

    expect(refused).toMatchObject({ status: 403, code: 'AccessDenied' })
    expect(await head(body.key)).toBeUndefined()
    expect(await complete(body)).toMatchObject({ status: 422, body: { code: 'parts-mismatch' } })
    expect((await status(body.id)).state).toBe('open')
  })

  it.each([
    ['shorter', 10 * KiB - 1, 'EntityTooSmall'],
    ['longer', 10 * KiB + 1, 'EntityTooLarge'],
    ['much longer', 900 * KiB, 'EntityTooLarge'],
  ])('is refused with a %s file', async (_, size, code) => {
    const { body } = await create()

    expect(await post(body.form, someBytes(size))).toMatchObject({ status: 400, code })
    expect(await head(body.key)).toBeUndefined()
  })

  it('of unknown size accepts up to the policy’s limit, and the session ends with the real size', async () => {
    const { body } = await create({ sizeBytes: undefined })
    expect(await post(body.form, someBytes(1_000_001))).toMatchObject({ code: 'EntityTooLarge' })

    expect(await post(body.form, someBytes(1234))).toMatchObject({ status: 200 })
    const done = await complete(body)

    expect(done.body.object.sizeBytes).toBe(1234)
  })

  it('works once', async () => {
    const { body } = await create()
    await post(body.form, someBytes(10 * KiB))

    const again = await post(body.form, someBytes(10 * KiB, 2))

    expect(again).toMatchObject({ status: 409, code: 'FileAlreadyExists' })
    expect((await complete(body)).body.state).toBe('completed')
    expect(await post(body.form, someBytes(10 * KiB, 3))).toMatchObject({ status: 409 })
  })

  it('expires, and GET signs another for the owner alone', async () => {
    const { body } = await create()
    harness.advance({ minutes: 16 })

    expect(await post(body.form, someBytes(10 * KiB))).toMatchObject({
      status: 403,
      code: 'AccessDenied',
    })
    const { form } = await status(body.id)
    expect(await post(form, someBytes(10 * KiB))).toMatchObject({ status: 200 })
    const token = await harness.call('GET', `/v1/uploads/${body.id}`, body.uploadToken)
    expect(token).toMatchObject({ status: 200, body: { storedParts: { count: 1 } } })
    expect(token.body.form).toBeUndefined()
  })

  it('is found again by its fingerprint, but not by an upload in parts', async () => {
    const { body } = await create({ fingerprint: 'f1' })

    const again = await create({ fingerprint: 'f1', resume: true })
    const parts = await create({ fingerprint: 'f1', resume: true, method: undefined })

    expect(again).toMatchObject({ status: 200, body: { id: body.id } })
    expect(again.body.form.fields.key).toBe(body.key)
    expect(parts.body.id).not.toBe(body.id)
  })

  it('may be empty', async () => {
    const { body } = await create({ sizeBytes: 0 })

    expect(await post(body.form, someBytes(0))).toMatchObject({ status: 200 })

    expect((await complete(body)).body.object).toMatchObject({ sizeBytes: 0 })
  })

  it('has no parts to sign', async () => {
    const { body } = await create()

    const signed = await harness.call('POST', `/v1/uploads/${body.id}/parts`, body.uploadToken, {
      partNumbers: [1],
    })

    expect(signed).toMatchObject({ status: 400, body: { code: 'invalid-request' } })
  })
})

describe('without a completion by the client', () => {
  it('the sweep finds the object', async () => {
    const { body } = await create()
    await post(body.form, someBytes(10 * KiB))

    harness.advance({ minutes: 20 })
    await harness.sweep()

    expect((await status(body.id)).state).toBe('completed')
  })

  it('the store reports it if the policy offers direct completion, and relays our answer', async () => {
    app = await harness.createApp({ direct: true })
    const { body } = await create()

    const answer = await post(body.form, someBytes(10 * KiB))

    expect(answer.status).toBe(200)
    expect(JSON.parse(answer.text)).toMatchObject({ id: body.id, state: 'completed' })
    expect((await status(body.id)).state).toBe('completed')
  })

  it('nothing is reported if the backend completes', async () => {
    app = await harness.createApp({ direct: true, completion: 'backend' })
    const { body } = await create()

    expect(body.form.fields).not.toHaveProperty('callback')
    await post(body.form, someBytes(10 * KiB))

    expect((await status(body.id)).state).toBe('open')
    expect((await complete({ id: body.id, completionToken: app.apiKey })).body.state).toBe(
      'completed',
    )
  })

  it('a form that arrives after the abort is removed before the quota is released', async () => {
    const { body } = await create()
    await harness.call('DELETE', `/v1/uploads/${body.id}`, app.apiKey)
    const released = async () =>
      (await harness.services.uploads.find(app.id, body.id))?.storageReleasedAt !== undefined
    expect(await released()).toBe(false)
    expect(await post(body.form, someBytes(10 * KiB))).toMatchObject({ status: 200 })

    for (let run = 0; run < 8; run++) {
      harness.advance({ minutes: 15 })
      await harness.sweep()
    }

    expect(await head(body.key)).toBeUndefined()
    expect(await released()).toBe(true)
  })
})

describe('a form is not offered', () => {
  it('where the policy replaces objects', async () => {
    app = await harness.createApp({ overwrite: 'replace' })

    expect(await create()).toMatchObject({
      status: 400,
      body: { errors: [{ pointer: '/method' }] },
    })
  })

  it('for more than one request may bring', async () => {
    app = await harness.createApp({})

    expect(await create({ sizeBytes: 5 * KiB ** 3 })).toMatchObject({ status: 201 })
    expect(await create({ sizeBytes: 5 * KiB ** 3 + 1 })).toMatchObject({
      status: 413,
      body: { code: 'file-too-large', maxSizeBytes: 5 * KiB ** 3 },
    })
  })

  it('for what the policy refuses', async () => {
    app = await harness.createApp({ contentTypes: ['video/*'] })

    expect(await create()).toMatchObject({
      status: 403,
      body: { code: 'content-type-not-allowed' },
    })
  })
})

it('carries the policy’s `object` block', async () => {
  app = await harness.createApp({
    object: {
      acl: 'private',
      storageClass: 'IA',
      serverSideEncryption: 'AES256',
      cacheControl: 'max-age=60',
      contentDisposition: 'inline',
      tags: { team: 'blue' },
      metadata: { source: 'form' },
    },
  })
  const { body } = await create()
  expect(await post(body.form, someBytes(10 * KiB))).toMatchObject({ status: 200 })
  await complete(body)

  const object = await harness.call('GET', `/v1/uploads/${body.id}/object`, app.apiKey)
  const { headers } = await fetch(object.headers.get('location')!)
  expect(Object.fromEntries(headers)).toMatchObject({
    'x-oss-storage-class': 'IA',
    'x-oss-server-side-encryption': 'AES256',
    'cache-control': 'max-age=60',
    'x-oss-tagging-count': '1',
    'x-oss-meta-source': 'form',
  })
})
