// The main job over the API: create, send parts, complete, one event. Uploads are relayed, single, empty, of unknown size, or
// resumed.
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Webhook } from 'standardwebhooks'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import {
  type Harness,
  putPart,
  type SignedPart,
  someBytes,
  startHarness,
} from '../support/harness.ts'

const KiB = 1024

let harness: Harness
let app: { id: string; apiKey: string }

beforeAll(async () => {
  harness = await startHarness()
  app = await harness.createApp({ readBack: true, maxSizeBytes: 50_000_000, direct: true })
})
afterAll(() => harness.stop())

const create = (body: Record<string, unknown>, headers?: Record<string, string>) =>
  harness.call('POST', '/v1/uploads', app.apiKey, { subject: 'ada', ...body }, headers)

async function readBack(id: string): Promise<Uint8Array> {
  const answer = await harness.call('GET', `/v1/uploads/${id}/object`, app.apiKey)
  expect(answer.status).toBe(302)
  return new Uint8Array(await (await fetch(answer.headers.get('location')!)).arrayBuffer())
}

async function threePartUpload(extra: Record<string, unknown> = {}) {
  const bytes = someBytes(250 * KiB)
  const created = await create({
    filename: 'film.bin',
    sizeBytes: bytes.length,
    partSizeBytes: 100 * KiB,
    ...extra,
  })
  expect(created.status).toBe(201)
  return { bytes, created: created.body, partSize: created.body.plan.partSizeBytes as number }
}

describe('a multipart upload', () => {
  it('ends with the same bytes, whatever the order and repetition of its parts', async () => {
    const { bytes, created, partSize } = await threePartUpload()
    const parts: SignedPart[] = created.parts
    expect(parts.map(({ partNumber, sizeBytes }) => [partNumber, sizeBytes])).toEqual([
      [1, 102400],
      [2, 102400],
      [3, 51200],
    ])

    await Promise.all([...parts].reverse().map((part) => putPart(part, bytes, partSize)))
    await putPart(parts[1]!, bytes, partSize)
    const answers = await Promise.all(
      [1, 2, 3].map(() =>
        harness.call('POST', `/v1/uploads/${created.id}/complete`, created.completionToken, {}),
      ),
    )

    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200])
    expect(answers[1]!.body).toEqual(answers[0]!.body)
    expect(answers[2]!.body).toEqual(answers[0]!.body)
    expect(answers[0]!.body).toMatchObject({
      id: created.id,
      state: 'completed',
      object: { key: created.key, sizeBytes: bytes.length },
    })
    expect(await readBack(created.id)).toEqual(bytes)
  })

  it('names missing parts at completion and stays open', async () => {
    const { bytes, created, partSize } = await threePartUpload()
    await putPart(created.parts[0], bytes, partSize)

    const refused = await harness.call(
      'POST',
      `/v1/uploads/${created.id}/complete`,
      created.completionToken,
      {},
    )
    const status = await harness.call('GET', `/v1/uploads/${created.id}`, created.uploadToken)

    expect(refused).toMatchObject({
      status: 422,
      body: { code: 'parts-mismatch', missing: [2, 3] },
    })
    expect(status.body).toMatchObject({
      state: 'open',
      storedParts: { count: 1, bytes: 102400 },
      missing: [[2, 3]],
    })
  })

  it('refuses a part of the wrong length at the store', async () => {
    const { created } = await threePartUpload()
    const [part] = created.parts as SignedPart[]

    const answer = await fetch(part!.url, {
      method: 'PUT',
      headers: part!.headers,
      body: someBytes(10),
    })

    expect(answer.status).toBe(403)
    expect(await answer.text()).toContain('SignatureDoesNotMatch')
  })

  it('is found again by its fingerprint, with only the missing parts signed', async () => {
    const fingerprint = 'film.bin-1'
    const { bytes, created, partSize } = await threePartUpload({ fingerprint })
    await putPart(created.parts[1], bytes, partSize)

    const again = await create({
      filename: 'film.bin',
      sizeBytes: bytes.length,
      partSizeBytes: 100 * KiB,
      fingerprint,
      resume: true,
    })

    expect(again.status).toBe(200)
    expect(again.body.id).toBe(created.id)
    expect(again.body.parts.map((part: SignedPart) => part.partNumber)).toEqual([1, 3])
  })

  it('completes directly: the store calls back and the client gets our answer', async () => {
    const { bytes, created, partSize } = await threePartUpload()
    expect(created.complete.direct).toBe(true)
    const early = await harness.call(
      'POST',
      `/v1/uploads/${created.id}/complete`,
      created.completionToken,
      { mode: 'direct' },
    )
    expect(early.body.code).toBe('parts-mismatch')
    for (const part of created.parts) await putPart(part, bytes, partSize)

    const { body } = await harness.call(
      'POST',
      `/v1/uploads/${created.id}/complete`,
      created.completionToken,
      { mode: 'direct' },
    )
    const answer = await fetch(body.direct.url, {
      method: body.direct.method,
      headers: body.direct.headers,
    })

    expect(answer.status).toBe(200)
    expect(await answer.json()).toMatchObject({
      id: created.id,
      state: 'completed',
      object: { sizeBytes: bytes.length },
    })
  })

  it('is begun again under the same id when the store has lost it', async () => {
    const { bytes, created, partSize } = await threePartUpload()
    const session = await harness.services.uploads.find(app.id, created.id)
    await harness.services.storeNamed('default').abort({
      key: session!.key,
      storageUploadId: session!.storageUploadId!,
    })

    const status = await harness.call('GET', `/v1/uploads/${created.id}`, app.apiKey)

    expect(status.body).toMatchObject({ state: 'open', healed: true, missing: [[1, 3]] })
    const signed = await harness.call(
      'POST',
      `/v1/uploads/${created.id}/parts`,
      status.body.uploadToken,
      { from: 1, count: 3 },
    )
    for (const part of signed.body.parts) await putPart(part, bytes, partSize)
    const done = await harness.call(
      'POST',
      `/v1/uploads/${created.id}/complete`,
      status.body.completionToken,
      {},
    )
    expect(done.status).toBe(200)
  })
})

describe('a single upload', () => {
  it('is one create-only PUT, and a second one changes nothing', async () => {
    const bytes = someBytes(1000)
    const { body: created } = await create({
      filename: 'a.txt',
      sizeBytes: 1000,
      contentType: 'text/plain',
    })
    expect(created).toMatchObject({ method: 'single', plan: { partCount: 1 } })
    const [part] = created.parts

    const first = await fetch(part.url, { method: 'PUT', headers: part.headers, body: bytes })
    const done = await harness.call(
      'POST',
      `/v1/uploads/${created.id}/complete`,
      created.completionToken,
      {},
    )
    const second = await fetch(part.url, {
      method: 'PUT',
      headers: part.headers,
      body: someBytes(1000, 9),
    })

    expect(first.status).toBe(200)
    expect(done).toMatchObject({ status: 200, body: { state: 'completed' } })
    expect(second.status).toBe(409)
    expect(await readBack(created.id)).toEqual(bytes)
  })

  it('sent after an abort is removed by the sweep', async () => {
    const { body: created } = await create({ filename: 'late.txt', sizeBytes: 1000 })
    const [part] = created.parts
    await harness.call('DELETE', `/v1/uploads/${created.id}`, created.uploadToken)

    const late = await fetch(part.url, {
      method: 'PUT',
      headers: part.headers,
      body: someBytes(1000),
    })
    expect(late.status).toBe(200)
    harness.advance({ minutes: 2 })
    await harness.sweep()

    expect(await harness.services.storeNamed('default').head(created.key)).toBeUndefined()
  })

  it('of zero bytes is created by the service at completion', async () => {
    const { body: created } = await create({ filename: 'empty', sizeBytes: 0 })
    expect(created).toMatchObject({ method: 'single', parts: [], plan: { partCount: 0 } })

    const done = await harness.call(
      'POST',
      `/v1/uploads/${created.id}/complete`,
      created.completionToken,
      {},
    )

    expect(done.body).toMatchObject({ state: 'completed', object: { sizeBytes: 0 } })
  })
})

describe('an upload of unknown size', () => {
  it('needs its size at completion', async () => {
    const bytes = someBytes(150 * KiB)
    const { body: created } = await create({ filename: 'stream', partSizeBytes: 100 * KiB })
    expect(created.plan).toMatchObject({ sizeBytes: null, partCount: null })
    const signed = await harness.call(
      'POST',
      `/v1/uploads/${created.id}/parts`,
      created.uploadToken,
      { partNumbers: [1, 2], last: { partNumber: 2, sizeBytes: 50 * KiB } },
    )
    for (const part of signed.body.parts) await putPart(part, bytes, 100 * KiB)
    const complete = (body: unknown) =>
      harness.call('POST', `/v1/uploads/${created.id}/complete`, created.completionToken, body)

    expect(await complete({})).toMatchObject({ status: 422, body: { code: 'size-required' } })
    expect(await complete({ sizeBytes: 150 * KiB })).toMatchObject({
      status: 200,
      body: { state: 'completed', object: { sizeBytes: 150 * KiB } },
    })
  })
})

describe('a repeated create', () => {
  it('returns the same session for the same Idempotency-Key, and refuses another body', async () => {
    const headers = { 'idempotency-key': 'once' }
    const first = await create({ filename: 'i.bin', sizeBytes: 10 }, headers)
    const second = await create({ filename: 'i.bin', sizeBytes: 10 }, headers)
    const other = await create({ filename: 'i.bin', sizeBytes: 11 }, headers)

    expect([first.status, second.status]).toEqual([201, 200])
    expect(second.body.id).toBe(first.body.id)
    expect(other).toMatchObject({ status: 422, body: { code: 'idempotency-key-reused' } })
  })

  it('returns the same answer to a resume for the same Idempotency-Key, even once that upload is done', async () => {
    const bytes = someBytes(1000)
    const headers = { 'idempotency-key': 'again' }
    const resume = { filename: 'a.bin', sizeBytes: 1000, fingerprint: 'again', resume: true }
    const first = await create({ ...resume, resume: undefined })
    expect(await create(resume, headers)).toMatchObject({
      status: 200,
      body: { id: first.body.id },
    })
    await putPart(first.body.parts[0], bytes, 1000)
    const path = `/v1/uploads/${first.body.id}/complete`
    await harness.call('POST', path, first.body.completionToken, {})
    // Another session of the same file, which could be resumed now.
    const another = await create(resume)
    expect(another.body.id).not.toBe(first.body.id)

    const repeated = await create(resume, headers)

    expect(repeated).toMatchObject({ status: 200, body: { id: first.body.id, state: 'completed' } })
    expect(await create({ ...resume, filename: 'b.bin' }, headers)).toMatchObject({
      status: 422,
      body: { code: 'idempotency-key-reused' },
    })
    harness.advance({ hours: 25 })
    expect((await create(resume, headers)).body.id).not.toBe(first.body.id)
  })
})

describe('webhooks', () => {
  let receiver: Server
  const received: Array<{ headers: Record<string, string>; body: string }> = []
  let status = 500

  beforeAll(async () => {
    receiver = createServer((request, response) => {
      let body = ''
      request.on('data', (chunk) => {
        body += chunk
      })
      request.on('end', () => {
        received.push({ headers: request.headers as Record<string, string>, body })
        response.writeHead(status).end()
      })
    })
    await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve))
  })
  afterAll(() => receiver.close())

  it('report a completion once, retried with the same id and bytes, and replayed on demand', async () => {
    const { port } = receiver.address() as AddressInfo
    const endpoint = await harness.call('POST', '/v1/webhook-endpoints', app.apiKey, {
      url: `http://127.0.0.1:${port}/hook`,
      events: ['upload.completed'],
    })
    const { body: created } = await create({ filename: 'w', sizeBytes: 0 })
    await harness.call('POST', `/v1/uploads/${created.id}/complete`, created.completionToken, {})

    await harness.deliver()
    status = 200
    await harness.deliver()
    expect(received).toHaveLength(1)
    harness.advance({ minutes: 1 })
    await harness.deliver()
    await harness.deliver()

    expect(received).toHaveLength(2)
    expect(received[1]!.body).toBe(received[0]!.body)
    expect(received[1]!.headers['webhook-id']).toBe(received[0]!.headers['webhook-id'])
    const event = JSON.parse(received[1]!.body)
    expect(event).toMatchObject({
      type: 'upload.completed',
      id: received[0]!.headers['webhook-id'],
      data: { upload: { id: created.id, state: 'completed', revision: 2 } },
    })
    // The package uses the machine's clock, and the harness runs ahead of it.
    vi.useFakeTimers({ now: harness.clock(), toFake: ['Date'] })
    const verified = new Webhook(endpoint.body.secret).verify(
      received[1]!.body,
      received[1]!.headers,
    )
    vi.useRealTimers()
    expect(verified).toEqual(event)

    const list = await harness.call(
      'GET',
      `/v1/webhook-endpoints/${endpoint.body.id}/deliveries`,
      app.apiKey,
    )
    expect(list.body.deliveries).toMatchObject([
      {
        type: 'upload.completed',
        state: 'delivered',
        attempts: [{ status: 500 }, { status: 200 }],
      },
    ])
    const replay = await harness.call(
      'POST',
      `/v1/deliveries/${list.body.deliveries[0].id}/replay`,
      app.apiKey,
    )
    expect(replay.status).toBe(202)
    await harness.deliver()
    expect(received).toHaveLength(3)
    expect(received[2]!.body).toBe(received[0]!.body)
  })
})
