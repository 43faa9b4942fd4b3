// Callbacks: a hint that may lead to `finish` and to nothing else. What is signed by the store but not of this session
// changes nothing and asks the store nothing; what is forged leaves no trace at all.
import { createPrivateKey, sign } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { getRequestListener } from '@hono/node-server'
import postgres from 'postgres'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Harness, putPart, someBytes, startHarness } from '../support/harness.ts'

const KiB = 1024
const SIZE = 150 * KiB
const PATH = '/v1/callbacks/default'

type Fields = Record<string, unknown>

let harness: Harness
let app: { id: string; apiKey: string }
let sql: postgres.Sql
let storeCalls = 0

beforeAll(async () => {
  harness = await startHarness()
  sql = postgres(harness.databaseUrl, { max: 1 })
})
afterAll(async () => {
  await sql.end()
  await harness.stop()
})
beforeEach(async () => {
  app = await harness.createApp({ direct: true })
})
afterEach(() => harness.interceptStore((forward) => forward))

/** Counts from now on. */
function countStoreCalls(): void {
  storeCalls = 0
  harness.interceptStore((forward) => (input, init) => {
    storeCalls++
    return forward(input, init)
  })
}

async function ready(credential = app.apiKey) {
  const bytes = someBytes(SIZE)
  const { body } = await harness.call('POST', '/v1/uploads', credential, {
    subject: 'ada',
    filename: 'film.bin',
    sizeBytes: SIZE,
    partSizeBytes: 100 * KiB,
  })
  for (const part of body.parts) await putPart(part, bytes, 100 * KiB)
  return body
}

/** At the store, with nobody told. */
async function completedAtTheStore({ id, key }: Record<string, string>) {
  const session = await harness.services.uploads.find(app.id, id!)
  const upload = { key: key!, storageUploadId: session!.storageUploadId! }
  const store = harness.services.storeNamed('default')
  const parts = []
  for await (const page of store.listParts(upload)) parts.push(...page)
  await store.complete(upload, parts, { overwrite: 'never' })
}

/** Signed with the embedded store's own key: what any customer of a store can have it do. */
async function signed(body: string, path = PATH): Promise<string> {
  const pem = await readFile(join(harness.directory, 'callback-key.pem'), 'utf8')
  return sign('md5', Buffer.from(`${path}\n${body}`), createPrivateKey(pem)).toString('base64')
}

const fieldsOf = (created: Fields, changes: Fields = {}): Fields => ({
  bucket: 'bucket',
  object: created.key,
  size: SIZE,
  etag: 'x',
  crc64: '0',
  reqId: crypto.randomUUID(),
  token: created.completionToken,
  ...changes,
})

const post = (body: string, authorization: string, path = PATH, headers = {}) =>
  harness.call('POST', path, undefined, body, { authorization, ...headers })

/** As the store would send it, and signed by it. */
async function deliver(fields: Fields) {
  const body = JSON.stringify(fields)
  return post(body, await signed(body))
}

const stateOf = async (id: string) => (await harness.services.uploads.find(app.id, id))?.state
const rows = async (id: string) =>
  (await sql`select outcome from callbacks where app_id = ${app.id} and upload_id = ${id}`).map(
    ({ outcome }) => outcome,
  )

describe('a callback of the session’s own object', () => {
  it('completes it, whatever it says about size, ETag and checksum: HEAD is the truth', async () => {
    const created = await ready()
    await completedAtTheStore(created)

    const answer = await deliver(fieldsOf(created, { size: 1, etag: 'wrong', crc64: '5' }))

    expect(answer).toMatchObject({
      status: 200,
      body: { id: created.id, state: 'completed', object: { sizeBytes: SIZE } },
    })
    expect(answer.headers.get('cache-control')).toBe('no-store, no-transform')
    expect(JSON.stringify(answer.body)).not.toMatch(/eyJ/)
    expect(await rows(created.id)).toEqual(['own'])
  })

  it('is read from a form as well', async () => {
    const created = await ready()
    await completedAtTheStore(created)
    const body = new URLSearchParams(fieldsOf(created) as Record<string, string>).toString()

    const answer = await post(body, await signed(body), PATH, {
      'content-type': 'application/x-www-form-urlencoded',
    })

    expect(answer).toMatchObject({ status: 200, body: { state: 'completed' } })
  })

  it('repeated, adds no row, asks the store nothing and gives the same answer', async () => {
    const created = await ready()
    await completedAtTheStore(created)
    const fields = fieldsOf(created)
    const first = await deliver(fields)
    countStoreCalls()

    const again = await deliver(fields)
    const another = await deliver({ ...fields, reqId: 'another' })

    expect(again.body).toEqual(first.body)
    expect(another.body).toEqual(first.body)
    expect(storeCalls).toBe(0)
    expect(await rows(created.id)).toHaveLength(2)
  })

  it('is answered in time where the store hangs, kept, and looked into by the sweep', async () => {
    const created = await ready()
    await completedAtTheStore(created)
    let release = () => {}
    const hanging = new Promise<void>((resolve) => {
      release = resolve
    })
    harness.interceptStore((forward) => async (input, init) => {
      await hanging
      return forward(input, init)
    })
    const { delay } = harness.services
    const waits: number[] = []
    harness.services.delay = async (ms) => void waits.push(ms)

    const answer = await deliver(fieldsOf(created))

    harness.services.delay = delay
    expect(answer).toMatchObject({ status: 200, body: { id: created.id, state: 'completing' } })
    expect(waits).toEqual([3000])
    expect(await rows(created.id)).toEqual([null])
    release()
    harness.interceptStore((forward) => forward)
    harness.advance({ minutes: 1 })
    await harness.sweep()
    expect(await stateOf(created.id)).toBe('completed')
  })

  it('that meets a store which does not answer is no error, and the sweep finishes', async () => {
    const created = await ready()
    await completedAtTheStore(created)
    harness.interceptStore(() => () => Promise.reject(new TypeError('reset')))

    expect(await deliver(fieldsOf(created))).toMatchObject({
      status: 200,
      body: { state: 'completing' },
    })

    harness.interceptStore((forward) => forward)
    harness.advance({ minutes: 1 })
    await harness.sweep()
    expect(await stateOf(created.id)).toBe('completed')
  })
})

describe('a callback that the store signed for something else', () => {
  it.each([
    ['another customer’s bucket', { bucket: 'their-bucket' }],
    ['no bucket', { bucket: undefined }],
    ['another key', { object: 'their/key' }],
    ['no key', { object: undefined }],
  ])('from %s changes nothing and asks the store nothing', async (_, changes) => {
    const created = await ready()
    await completedAtTheStore(created)
    countStoreCalls()

    const answer = await deliver(fieldsOf(created, changes))

    expect(answer).toMatchObject({ status: 200, body: { state: 'completing' } })
    expect(storeCalls).toBe(0)
    expect(await stateOf(created.id)).toBe('open')
    expect(await rows(created.id)).toEqual(['other-object'])
  })

  it('with another session’s key changes neither', async () => {
    const [one, two] = [await ready(), await ready()]
    await completedAtTheStore(two)
    countStoreCalls()

    await deliver(fieldsOf(one, { object: two.key }))

    expect(storeCalls).toBe(0)
    expect([await stateOf(one.id), await stateOf(two.id)]).toEqual(['open', 'open'])
  })

  it('for an object of another size is looked into, and changes nothing', async () => {
    const created = await ready()
    const store = harness.services.storeNamed('default')
    const other = { key: created.key, uploadId: 'upl_other', contentType: 'a/b' }
    await store.putEmpty({ ...other, overwrite: 'never' })
    countStoreCalls()

    const answer = await deliver(fieldsOf(created, { size: 0 }))

    expect(answer).toMatchObject({ status: 200, body: { state: 'completing' } })
    expect(storeCalls).toBe(1) // HEAD
    expect(await stateOf(created.id)).toBe('open')
    expect(await store.head(created.key)).toMatchObject({ uploadId: 'upl_other' })
  })

  it('after the session’s end asks the store nothing', async () => {
    const created = await ready()
    await harness.call('DELETE', `/v1/uploads/${created.id}`, app.apiKey)
    countStoreCalls()

    const answer = await deliver(fieldsOf(created))

    expect(answer).toMatchObject({ status: 200, body: { state: 'aborted' } })
    expect(storeCalls).toBe(0)
  })

  it('is kept at most twenty times a session', async () => {
    const created = await ready()

    for (let time = 0; time < 25; time++) {
      expect((await deliver(fieldsOf(created, { object: 'their/key' }))).status).toBe(200)
    }

    expect(await rows(created.id)).toHaveLength(20)
  })
})

describe('a callback is refused, with no row and no outgoing request', () => {
  const forgeries: Array<[string, (created: Fields) => Promise<{ status: number; body: Fields }>]> =
    [
      [
        'with a forged signature',
        async (created) =>
          post(JSON.stringify(fieldsOf(created)), Buffer.alloc(256, 1).toString('base64')),
      ],
      ['with no signature', async (created) => post(JSON.stringify(fieldsOf(created)), '')],
      [
        'with a signature over another body',
        async (created) => {
          const body = JSON.stringify(fieldsOf(created))
          return post(`${body} `, await signed(body))
        },
      ],
      [
        'with a signature over another path',
        async (created) => {
          const body = JSON.stringify(fieldsOf(created))
          return post(body, await signed(body, '/elsewhere'))
        },
      ],
      [
        'with a key URL of somebody else’s',
        async (created) =>
          post(JSON.stringify(fieldsOf(created)), 'eA==', PATH, {
            'x-oss-pub-key-url': Buffer.from('http://127.0.0.1:1/key.pem').toString('base64'),
          }),
      ],
      ['without our token', async (created) => deliver(fieldsOf(created, { token: undefined }))],
      ['with a token that is none', async (created) => deliver(fieldsOf(created, { token: 'x' }))],
      [
        'with an upload token',
        async (created) => deliver(fieldsOf(created, { token: created.uploadToken })),
      ],
      ['without a request id', async (created) => deliver(fieldsOf(created, { reqId: undefined }))],
      [
        'with a request id without end',
        async (created) => deliver(fieldsOf(created, { reqId: 'x'.repeat(129) })),
      ],
      [
        'at a store that is not there',
        async (created) => {
          const body = JSON.stringify(fieldsOf(created))
          return post(body, await signed(body, '/v1/callbacks/other'), '/v1/callbacks/other')
        },
      ],
      [
        'of another signature version',
        async (created) => {
          const body = JSON.stringify(fieldsOf(created))
          return post(body, await signed(body), PATH, { 'x-oss-signature-version': '2.0' })
        },
      ],
      [
        'after the token’s end',
        async (created) => {
          harness.advance({ hours: 24 * 8 })
          const answer = await deliver(fieldsOf(created))
          harness.advance({ hours: -24 * 8 })
          return answer
        },
      ],
    ]

  it.each(forgeries)('%s', async (_, send) => {
    const created = await ready()
    await completedAtTheStore(created)
    countStoreCalls()
    const outgoing = harness.services.fetch
    harness.services.fetch = () => Promise.reject(new Error('an outgoing request'))

    const answer = await send(created)

    harness.services.fetch = outgoing
    expect(answer).toMatchObject({ status: 403, body: { code: 'callback-not-verified' } })
    expect(storeCalls).toBe(0)
    expect(await rows(created.id)).toEqual([])
    expect(await stateOf(created.id)).toBe('open')
  })
})

describe('direct completion', () => {
  const complete = async (created: Record<string, any>) => {
    for (const part of created.parts) await putPart(part, someBytes(SIZE), 100 * KiB)
    const path = `/v1/uploads/${created.id}/complete`
    const { body } = await harness.call('POST', path, created.completionToken, { mode: 'direct' })
    const { url, method, headers } = body.direct
    return fetch(url, { method, headers })
  }

  it('whose callback fails is answered 203 by the store, and the server knows more', async () => {
    const created = await ready()
    const { callbacks } = harness.services
    const { insert } = callbacks
    callbacks.insert = () => Promise.reject(new Error('the database is away'))

    const answer = await complete(created)

    callbacks.insert = insert
    expect(answer.status).toBe(203)
    expect(await answer.text()).toContain('CallbackFailed')
    expect(await stateOf(created.id)).toBe('open')
    const asked = await harness.call('GET', `/v1/uploads/${created.id}`, created.uploadToken)
    expect(asked.body.state).toBe('completed')
  })

  it('is reported at the first of several URLs that answers, also below a path', async () => {
    const { callbackUrls } = harness.services
    harness.services.callbackUrls = () => [
      'http://countersign.test/nowhere/at/all?',
      'http://countersign.test/a%20b',
      'http://countersign.test',
    ]
    const created = await ready()

    const answer = await complete(created)

    harness.services.callbackUrls = callbackUrls
    expect(answer.status).toBe(200)
    expect(await answer.json()).toMatchObject({ id: created.id, state: 'completed' })
  })

  it('is verified over the path that the store called, where a proxy took off its beginning', async () => {
    const { callbackUrls } = harness.services
    harness.services.callbackUrls = () => ['https://one.example', 'https://two.example/a%20b']
    const created = await ready()
    await completedAtTheStore(created)
    const body = JSON.stringify(fieldsOf(created))

    const wrong = await post(body, await signed(body, `/a%20b${PATH}`))
    const right = await post(body, await signed(body, `/a b${PATH}`))

    harness.services.callbackUrls = callbackUrls
    expect(wrong.status).toBe(403)
    expect(right).toMatchObject({ status: 200, body: { state: 'completed' } })
  })
})

it('is answered over a socket with its length, not in chunks, as OSS insists', async () => {
  const created = await ready()
  await completedAtTheStore(created)
  const server = createServer(getRequestListener(harness.app.fetch)).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  const body = JSON.stringify(fieldsOf(created))

  const answer = await new Promise<{ headers: object; body: string }>((resolve, reject) => {
    const headers = { 'content-type': 'application/json', authorization: '' }
    void signed(body).then((authorization) => {
      const sent = request({
        host: '127.0.0.1',
        port,
        path: PATH,
        method: 'POST',
        headers: { ...headers, authorization },
      })
      sent.on('error', reject).on('response', async (response) => {
        resolve({ headers: response.headers, body: await text(response) })
      })
      sent.end(body)
    })
  })

  server.close()
  expect(answer.headers).toMatchObject({
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(answer.body)),
  })
  expect(answer.headers).not.toHaveProperty('transfer-encoding')
  expect(JSON.parse(answer.body)).toMatchObject({ state: 'completed' })
})
