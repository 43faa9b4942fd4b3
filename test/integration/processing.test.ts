// Processing of images after upload, end to end: the call to the store, one event with the outcome, and faults on the way.
// Processing never changes the upload itself.
import { createHash } from 'node:crypto'
import postgres from 'postgres'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { RETRY_SECONDS } from '../../src/delivery/schedule.ts'
import { latch } from '../support/gates.ts'
import { ADMIN_KEY, type Harness, someBytes, startHarness } from '../support/harness.ts'
import { appWith, IMAGE, type ProcessingApp, THUMBNAIL } from '../support/processing/upload.ts'

let harness: Harness
let app: ProcessingApp

beforeAll(async () => {
  harness = await startHarness({ processing: true })
  app = await appWith(harness, [THUMBNAIL])
})
afterAll(async () => {
  await app.receiver.close()
  await harness.stop()
})
beforeEach(async () => {
  // Drops the leftovers of an earlier test.
  harness.advance({ seconds: 2 })
  await harness.deliver()
  harness.processing!.objects.calls.splice(0)
  harness.processing!.objects.denied.clear()
  app.receiver.answers.status = 200
})

const calls = () => harness.processing!.objects.calls
const store = () => harness.services.storeNamed('default')
const savedKey = (uploadId: string) => `${app.keyPrefix}/ada/${uploadId}/thumbnail.webp`

/** Replaces the nth call with `x-oss-process`. */
function atProcessing(instead: (forward: () => Promise<Response>) => Promise<Response>) {
  harness.interceptStore((forward) => (input, init) => {
    const processes = String(input).endsWith('?x-oss-process')
    return processes ? instead(() => forward(input, init)) : forward(input, init)
  })
  onTestFinished(() => harness.interceptStore((forward) => forward))
}

describe('an image target', () => {
  it('saves the result under its key and reports it once, with one id and the same bytes', async () => {
    const upload = await app.upload('image/png')
    app.receiver.answers.status = 500

    await harness.deliver()
    app.receiver.answers.status = 200
    harness.advance({ minutes: 1 })
    await harness.deliver()

    const key = savedKey(upload.id)
    const result = await store().head(key)
    const [first, second, ...more] = app.receiver.about(upload.id)
    expect(more).toEqual([])
    expect(second!.body).toBe(first!.body)
    expect(second!.headers['webhook-id']).toBe(first!.headers['webhook-id'])
    const [owed] = await app.owed(upload.id)
    expect(first!.event).toMatchObject({
      type: 'processing.completed',
      id: first!.headers['webhook-id'],
      data: { upload: { id: upload.id, state: 'completed', key: upload.key, revision: 3 } },
    })
    expect(first!.event.data.processing).toEqual({
      delivery: owed!.id,
      rule: 0,
      name: 'thumbnail',
      target: 'oss-image',
      key,
      object: {
        key,
        sizeBytes: IMAGE.length + 1 + upload.bytes.length,
        etag: result!.etag,
        contentType: 'image/webp',
      },
    })
    expect(owed).toMatchObject({
      target: 'oss-image',
      type: 'upload.completed',
      state: 'delivered',
      processing: { rule: 0, name: 'thumbnail', key },
      attempts: [{ status: 200 }],
    })
    expect(await app.session(upload.id)).toMatchObject({ state: 'completed', revision: 3 })
  })

  it('is created only by the statement that completes the upload', async () => {
    const upload = await app.upload('image/png')
    const again = await harness.call('POST', `/v1/uploads/${upload.id}/complete`, app.apiKey, {})

    expect(again.body).toEqual(upload.done)
    const [owed, ...more] = await app.owed(upload.id)
    expect(more).toEqual([])
    expect(owed).toMatchObject({ state: 'pending', attempts: [] })
  })

  it('is not created for an upload that no rule fits', async () => {
    const upload = await app.upload('text/plain')
    await harness.deliver()

    expect(await app.owed(upload.id)).toEqual([])
    expect(calls()).toEqual([])
  })

  it('sends requests only to the store, and logs none of its secrets', async () => {
    const hosts = new Set<string>()
    harness.interceptStore((forward) => (input, init) => {
      hosts.add(new URL(String(input)).origin)
      return forward(input, init)
    })
    onTestFinished(() => harness.interceptStore((forward) => forward))
    await app.upload('image/png')

    await harness.deliver()

    expect([...hosts]).toEqual([harness.processing!.url])
    const lines = harness.lines.join('\n')
    expect(lines).toContain('oss-image delivered')
    expect(lines).not.toMatch(/test-secret-of-the-store|OSS4-HMAC|x-oss-signature|sys\/saveas/)
  })

  it('extends the session’s chained log', async () => {
    const upload = await app.upload('image/png')
    await harness.deliver()

    const sql = postgres(harness.databaseUrl, { max: 1 })
    const rows = await sql`
      select type, body, hash from upload_events where upload_id = ${upload.id} order by revision`
    await sql.end()
    expect(rows.map(({ type }) => type)).toEqual([
      'upload.created',
      'upload.completed',
      'processing.completed',
    ])
    let hash = ''
    for (const row of rows) {
      hash = createHash('sha256')
        .update(hash + row.body)
        .digest('hex')
      expect(row.hash).toBe(hash)
    }
  })
})

describe('a definite no', () => {
  it('fails at once with the store’s own code, and leaves the upload completed', async () => {
    harness.processing!.objects.denied.add('oss:PostProcessTask')
    const upload = await app.upload('image/png')

    await harness.deliver()
    harness.advance({ hours: 1 })
    await harness.deliver()

    const [owed] = await app.owed(upload.id)
    expect(owed).toMatchObject({
      state: 'failed',
      attempts: [{ status: 403, reason: 'AccessDenied' }],
    })
    const [told, ...more] = app.receiver.about(upload.id)
    expect(more).toEqual([])
    expect(told!.event).toMatchObject({
      type: 'processing.failed',
      data: {
        upload: { id: upload.id, state: 'completed', revision: 3 },
        processing: {
          delivery: owed!.id,
          key: savedKey(upload.id),
          reason: 'AccessDenied',
          detail: expect.stringContaining('bucket check --ram --processing'),
        },
      },
    })
    expect(await app.session(upload.id)).toMatchObject({ state: 'completed' })
  })

  it('can be replayed once its cause is fixed, and is reported as another event', async () => {
    harness.processing!.objects.denied.add('oss:PutObject')
    const upload = await app.upload('image/png')
    await harness.deliver()
    harness.processing!.objects.denied.clear()

    const [owed] = await app.owed(upload.id)
    const replay = await harness.call('POST', `/v1/deliveries/${owed!.id}/replay`, app.apiKey)
    await harness.deliver()

    expect(replay).toMatchObject({ status: 202, body: { id: owed!.id } })
    const told = app.receiver.about(upload.id).map(({ event }) => event)
    expect(told.map(({ type }) => type)).toEqual(['processing.failed', 'processing.completed'])
    expect(told.map(({ data }) => data.upload.revision)).toEqual([3, 4])
    expect(told[0]!.id).not.toBe(told[1]!.id)
    expect(await app.owed(upload.id)).toMatchObject([
      { id: owed!.id, state: 'delivered', attempts: [{ status: 403 }, { status: 200 }] },
    ])
  })

  it('comes from the service if the object is no longer the uploaded one', async () => {
    const upload = await app.upload('image/png')
    const etag = (await store().head(upload.key))!.etag!
    await store().delete(upload.key, { ifMatch: etag })

    await harness.deliver()

    expect(calls()).toEqual([])
    expect(app.receiver.about(upload.id)).toMatchObject([
      { event: { data: { processing: { reason: 'source-changed' } } } },
    ])
  })

  it('comes from the service if an upload has the key of the result', async () => {
    const policy = {
      keyTemplate: '{filename}',
      processing: [{ target: { ...THUMBNAIL.target, keyTemplate: '{uploadId}' } }],
    }
    const { apiKey } = app
    await harness.call('PUT', `/v1/apps/${app.id}/policies/flat`, ADMIN_KEY, policy)
    const create = (filename: string, bytes: Uint8Array) =>
      harness.call('POST', '/v1/uploads', apiKey, {
        subject: 'ada',
        policy: 'flat',
        filename,
        contentType: 'image/png',
        sizeBytes: bytes.length,
      })
    const finish = async ({ body }: Awaited<ReturnType<typeof create>>, bytes: Uint8Array) => {
      const [part] = body.parts
      await fetch(part.url, { method: 'PUT', headers: part.headers, body: new Uint8Array(bytes) })
      await harness.call('POST', `/v1/uploads/${body.id}/complete`, body.completionToken, {})
      return body
    }
    const first = await create('first', someBytes(10))
    const squatter = await finish(await create(first.body.id, someBytes(20)), someBytes(20))
    const victim = await finish(first, someBytes(10))
    expect(squatter.key).toBe(`${app.keyPrefix}/${victim.id}`)

    await harness.deliver()

    expect(app.receiver.about(victim.id)).toMatchObject([
      { event: { type: 'processing.failed', data: { processing: { reason: 'key-taken' } } } },
    ])
    expect(await store().head(squatter.key)).toMatchObject({ sizeBytes: 20 })
  })
})

describe('an unclear answer', () => {
  it('backs off by the schedule, and is reported once its outcome is known', async () => {
    const upload = await app.upload('image/png')
    atProcessing(async () => new Response('<html>', { status: 503 }))

    await harness.deliver()
    await harness.deliver()
    const [waiting] = await app.owed(upload.id)
    harness.interceptStore((forward) => forward)
    harness.advance({ seconds: 4 })
    await harness.deliver()
    expect(calls()).toEqual([])
    harness.advance({ seconds: 3 })
    await harness.deliver()

    expect(waiting).toMatchObject({
      state: 'pending',
      attempts: [{ status: 503, reason: 'Http503' }],
    })
    expect(await app.owed(upload.id)).toMatchObject([
      { state: 'delivered', attempts: [{ status: 503 }, { status: 200 }] },
    ])
    expect(app.receiver.about(upload.id)).toHaveLength(1)
  })

  it('is given up visibly after the last attempt', async () => {
    const upload = await app.upload('image/png')
    atProcessing(async () => {
      throw new TypeError('cut')
    })
    for (const seconds of [0, ...RETRY_SECONDS]) {
      harness.advance({ seconds: 1.3 * seconds })
      await harness.deliver()
    }

    const [owed] = await app.owed(upload.id)
    expect(owed).toMatchObject({ state: 'failed' })
    expect(owed!.attempts).toHaveLength(RETRY_SECONDS.length + 1)
    expect(app.receiver.about(upload.id)).toMatchObject([
      {
        event: {
          type: 'processing.failed',
          data: { processing: { reason: 'NoAnswer', detail: expect.stringContaining('NoAnswer') } },
        },
      },
    ])
  })

  it('whose work was done runs again under the same key, and is reported once', async () => {
    const upload = await app.upload('image/png')
    atProcessing(async (forward) => {
      await forward()
      throw new TypeError('cut')
    })
    await harness.deliver()
    harness.interceptStore((forward) => forward)
    harness.advance({ seconds: 10 })
    await harness.deliver()

    expect(calls().map(({ saveAs }) => saveAs)).toEqual([savedKey(upload.id), savedKey(upload.id)])
    expect(app.receiver.about(upload.id)).toHaveLength(1)
  })
})

describe('a worker', () => {
  it('that dies between the store’s answer and the record is followed by another, and reported once', async () => {
    const upload = await app.upload('image/png')
    const record = vi.spyOn(harness.services.deliveries, 'record')
    record.mockRejectedValueOnce(new Error('killed'))
    await expect(harness.deliver()).rejects.toThrow('killed')
    record.mockRestore()

    await harness.deliver()
    expect(calls()).toHaveLength(1)
    harness.advance({ minutes: 3 })
    await harness.deliver()

    expect(calls()).toHaveLength(2)
    expect(app.receiver.about(upload.id)).toHaveLength(1)
    expect(await app.owed(upload.id)).toMatchObject([
      { state: 'delivered', attempts: [{ status: 200 }] },
    ])
  })

  it('beside others takes other deliveries', async () => {
    const uploads = await Promise.all(Array.from({ length: 12 }, () => app.upload('image/png')))

    await Promise.all(Array.from({ length: 4 }, harness.deliver))
    await harness.deliver()

    expect(
      calls()
        .map(({ key }) => key)
        .sort(),
    ).toEqual(uploads.map(({ key }) => key).sort())
    for (const { id } of uploads) expect(app.receiver.about(id)).toHaveLength(1)
  })

  it('does not wait for another claim, and claims nothing twice', async () => {
    await Promise.all(Array.from({ length: 12 }, () => app.upload('image/png')))
    const { deliveries, clock } = harness.services
    const now = clock()
    const lease = new Date(now.getTime() + 1000)
    const claim = () => deliveries.claim(app.id, 'pending', now, lease, 100)

    const claims = await Promise.all(Array.from({ length: 8 }, claim))

    const ids = claims.flat().map(({ id }) => id)
    expect(ids).toHaveLength(12)
    expect(new Set(ids).size).toBe(12)
  })

  it('that is overtaken after its lease changes nothing, and reports nothing', async () => {
    const upload = await app.upload('image/png')
    const { opened: held, open: goOn } = latch()
    const { opened: there, open: reached } = latch()
    let count = 0
    atProcessing(async (forward) => {
      if (count++ > 0) return forward()
      reached()
      await held
      return new Response('', { status: 403 })
    })
    const slow = harness.deliver()
    await there
    harness.advance({ minutes: 3 })
    await harness.deliver()
    goOn()
    await slow

    expect(app.receiver.about(upload.id).map(({ event }) => event.type)).toEqual([
      'processing.completed',
    ])
    expect(await app.owed(upload.id)).toMatchObject([{ state: 'delivered' }])
  })
})
