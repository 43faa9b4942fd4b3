// Callbacks are hints. These tests bound what each can cause: store calls, rows and changes to the session.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { receiveCallback } from '../../src/uploads/callback.ts'
import { latch } from '../support/gates.ts'
import { type Harness, putPart, someBytes, startHarness } from '../support/harness.ts'
import { type ReportingStore, reportingStore } from '../support/reporting-store.ts'

const KiB = 1024
const SIZE = 150 * KiB

let harness: Harness
let store: ReportingStore
let app: { id: string; apiKey: string; keyPrefix: string }

beforeAll(async () => {
  harness = await startHarness({ moreStores: ['second'] })
  store = await reportingStore(harness)
})
afterAll(async () => {
  await store.close()
  await harness.stop()
})
beforeEach(async () => {
  harness.interceptStore((forward) => forward)
  app = await harness.createApp({ direct: true, partSizeBytes: 100 * KiB, singleMaxBytes: 0 })
})

/** Creates a session and stores all its parts. */
async function sent(body: Record<string, unknown> = {}) {
  const bytes = someBytes(SIZE)
  const { body: created } = await harness.call('POST', '/v1/uploads', app.apiKey, {
    subject: 'ada',
    filename: 'a ü&=+.bin',
    sizeBytes: SIZE,
    ...body,
  })
  for (const part of created.parts) await putPart(part, bytes, 100 * KiB)
  return created as Record<string, any>
}

const find = async ({ id }: Record<string, any>) =>
  (await harness.services.uploads.find(app.id, id))!

/** Makes the object at the store without a report. */
async function stored(created: Record<string, any>) {
  const { key, storageUploadId } = await find(created)
  const objects = harness.services.storeNamed('default')
  const upload = { key, storageUploadId: storageUploadId! }
  const parts = []
  for await (const page of objects.listParts(upload)) parts.push(...page)
  await objects.complete(upload, parts, { overwrite: 'never' })
  return created
}

/** Counts what the call causes. */
async function effectsOf<Value>(work: () => Promise<Value>) {
  const before = { calls: harness.counts.storeCalls, rows: await store.rowCount() }
  const value = await work()
  return {
    value,
    storeCalls: harness.counts.storeCalls - before.calls,
    rows: (await store.rowCount()) - before.rows,
  }
}

const NOT_VERIFIED = { status: 403, body: { code: 'callback-not-verified' } }

describe('a true callback', () => {
  it('completes the session with one call to the store, and its answer names the object', async () => {
    const created = await stored(await sent())

    const { value, storeCalls, rows } = await effectsOf(() => store.report(store.bodyOf(created)))

    expect(value).toMatchObject({
      status: 200,
      body: { id: created.id, state: 'completed', object: { key: created.key, sizeBytes: SIZE } },
    })
    expect({ storeCalls, rows }).toEqual({ storeCalls: 1, rows: 1 })
    expect(await store.inbox(created)).toEqual(['own'])
    expect(JSON.stringify(value.body)).not.toContain(created.completionToken)
  })

  it('may be a form', async () => {
    const created = await stored(await sent())
    const form = Object.entries(store.bodyOf(created))
      .map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`)
      .join('&')

    const answer = await store.report(form, { contentType: 'application/x-www-form-urlencoded' })

    expect(answer).toMatchObject({ status: 200, body: { state: 'completed' } })
  })

  it('changes nothing when it is replayed, or when the session has ended', async () => {
    const created = await stored(await sent())
    const body = store.bodyOf(created)
    const first = await store.report(body)
    const session = await find(created)

    const replay = await effectsOf(() => store.report(body))
    const another = await effectsOf(() => store.report({ ...body, reqId: 'another' }))

    expect(replay.value.body).toEqual(first.body)
    expect(replay).toMatchObject({ storeCalls: 0, rows: 0 })
    expect(another.value.body).toEqual(first.body)
    expect(another).toMatchObject({ storeCalls: 0, rows: 1 })
    expect(await find(created)).toEqual(session)
  })

  it('is answered with the state of a session that ended otherwise', async () => {
    const created = await sent()
    await harness.call('DELETE', `/v1/uploads/${created.id}`, app.apiKey)

    const { value, storeCalls } = await effectsOf(() => store.report(store.bodyOf(created)))

    expect(value).toMatchObject({ status: 200, body: { id: created.id, state: 'aborted' } })
    expect(storeCalls).toBe(0)
  })

  it('that comes before the object changes nothing', async () => {
    const created = await sent()
    const before = await find(created)

    const { value, storeCalls } = await effectsOf(() => store.report(store.bodyOf(created)))

    expect(value).toMatchObject({ status: 200, body: { state: 'completing' } })
    expect(storeCalls).toBe(1)
    expect(await find(created)).toEqual(before)
    expect(await store.inbox(created)).toEqual(['absent'])
  })

  it('is answered in time while the store hangs, and finishes afterwards', async () => {
    const created = await stored(await sent())
    const { opened: held, open: release } = latch()
    harness.interceptStore((forward) => async (input, init) => {
      await held
      return forward(input, init)
    })
    let work: Promise<unknown> = Promise.resolve()
    const waited: number[] = []
    const services = {
      ...harness.services,
      background(promise: Promise<unknown>) {
        work = promise
      },
      async delay(milliseconds: number) {
        waited.push(milliseconds)
      },
    }
    const body = JSON.stringify(store.bodyOf(created))
    const path = '/v1/callbacks/default'

    const answered = await receiveCallback(services, 'default', {
      method: 'POST',
      rawPaths: [path],
      rawQuery: '',
      headers: new Headers({
        'content-type': 'application/json',
        authorization: store.signatureOf(path, body),
      }),
      body: new TextEncoder().encode(body),
    })

    expect(answered.state).toBe('open')
    expect(waited).toEqual([3_000])
    release()
    await work
    expect(await find(created)).toMatchObject({ state: 'completed' })
  })

  it('that the store does not confirm is left to the sweep', async () => {
    const created = await stored(await sent())
    harness.interceptStore(() => async () => new Response('', { status: 500 }))

    const answer = await store.report(store.bodyOf(created))

    expect(answer).toMatchObject({ status: 200, body: { state: 'completing' } })
    expect(await store.inbox(created)).toEqual([null])
    harness.interceptStore((forward) => forward)
    harness.advance({ seconds: 20 })
    await harness.sweep()
    expect(await find(created)).toMatchObject({ state: 'completed' })
    expect(await store.inbox(created)).toEqual(['own'])
  })
})

describe('a forged callback causes no store call and no row', () => {
  const forgeries: Array<
    [string, (created: Record<string, any>) => ReturnType<ReportingStore['report']>]
  > = [
    [
      'with a signature of nobody',
      (created) =>
        store.report(store.bodyOf(created), { signature: Buffer.alloc(256, 1).toString('base64') }),
    ],
    ['without a signature', (created) => store.report(store.bodyOf(created), { signature: '' })],
    [
      'with the signature of another body',
      (created) => {
        const body = JSON.stringify(store.bodyOf(created))
        const signature = store.signatureOf('/v1/callbacks/default', body)
        return store.report(`${body} `, { signature })
      },
    ],
    [
      'signed for another path',
      (created) => store.report(store.bodyOf(created), { signedTarget: '/v1/callbacks/second' }),
    ],
    [
      'signed for another query',
      (created) =>
        store.report(store.bodyOf(created), {
          target: '/v1/callbacks/default?a=2',
          signedTarget: '/v1/callbacks/default?a=1',
        }),
    ],
    ['without our token', (created) => store.report(store.bodyOf(created, { token: undefined }))],
    ['with a token of nobody', (created) => store.report(store.bodyOf(created, { token: 'x' }))],
    [
      'with the upload token in place of the completion token',
      (created) => store.report(store.bodyOf(created, { token: created.uploadToken })),
    ],
    [
      'at a store that does not exist',
      (created) => store.report(store.bodyOf(created), { target: '/v1/callbacks/third' }),
    ],
    [
      'by the embedded store at another store',
      (created) => store.report(store.bodyOf(created), { target: '/v1/callbacks/second' }),
    ],
    [
      'without a request id',
      (created) => store.report(store.bodyOf(created, { reqId: undefined })),
    ],
    ['that is no JSON', (created) => store.report(`token=${created.completionToken}`)],
    [
      'of a type that is not read',
      (created) => store.report(store.bodyOf(created), { contentType: 'text/plain' }),
    ],
  ]
  it.each(forgeries)('%s', async (_, forge) => {
    const created = await stored(await sent())
    const before = await find(created)

    const { value, storeCalls, rows } = await effectsOf(() => forge(created))

    expect(value).toMatchObject(NOT_VERIFIED)
    expect({ storeCalls, rows }).toEqual({ storeCalls: 0, rows: 0 })
    expect(await find(created)).toEqual(before)
  })
})

describe('a callback that the store has really signed, but for somebody else,', () => {
  it.each([
    ['another customer’s bucket', 'bucket-of-others'],
    ['a bucket that ours begins', 'bucket2'],
    ['no bucket', undefined],
  ])('about %s is refused, and causes no store call and no row', async (_, bucket) => {
    const created = await stored(await sent())

    const { value, storeCalls, rows } = await effectsOf(() =>
      store.report(store.bodyOf(created, { bucket })),
    )

    expect(value).toMatchObject(NOT_VERIFIED)
    expect({ storeCalls, rows }).toEqual({ storeCalls: 0, rows: 0 })
    expect(await find(created)).toMatchObject({ state: 'open' })
  })

  it('about another session’s key changes neither session and causes no store call', async () => {
    const [one, two] = [await stored(await sent()), await stored(await sent())]
    const before = [await find(one), await find(two)]

    const { value, storeCalls } = await effectsOf(() =>
      store.report(store.bodyOf(one, { object: two.key })),
    )

    expect(value).toMatchObject({ status: 200, body: { id: one.id, state: 'completing' } })
    expect(storeCalls).toBe(0)
    expect([await find(one), await find(two)]).toEqual(before)
    expect(await store.inbox(one)).toEqual(['other-object'])
    expect(await store.inbox(two)).toEqual([])
  })

  it.each([
    ['larger', SIZE + 1],
    ['of no size', undefined],
    ['with a size that is no number', 'x'],
  ])(
    'about an object %s changes nothing and causes no store call; the true one still counts',
    async (_, size) => {
      const created = await stored(await sent())
      const before = await find(created)

      const { value, storeCalls } = await effectsOf(() =>
        store.report(store.bodyOf(created, { size })),
      )

      expect(value).toMatchObject({ status: 200, body: { state: 'completing' } })
      expect(storeCalls).toBe(0)
      expect(await find(created)).toEqual(before)
      expect(await store.inbox(created)).toEqual(['other-size'])
      expect((await store.report(store.bodyOf(created))).body).toMatchObject({ state: 'completed' })
    },
  )

  it('about a session of another app is about no session here', async () => {
    const created = await stored(await sent())
    const other = await harness.createApp({ direct: true })
    const { body: foreign } = await harness.call('POST', '/v1/uploads', other.apiKey, {
      subject: 'ada',
      filename: 'a',
      sizeBytes: SIZE,
    })

    const { storeCalls } = await effectsOf(() =>
      store.report(store.bodyOf(created, { token: foreign.completionToken })),
    )

    expect(storeCalls).toBe(0)
    expect(await find(created)).toMatchObject({ state: 'open' })
    expect(await store.inbox(created)).toEqual([])
  })
})

it('stores 20 callbacks of a session, and asks the store for no more', async () => {
  const created = await sent()

  const { storeCalls, rows } = await effectsOf(async () => {
    for (let count = 0; count < 25; count++) {
      expect((await store.report(store.bodyOf(created))).status).toBe(200)
    }
  })

  expect({ storeCalls, rows }).toEqual({ storeCalls: 20, rows: 20 })
})
