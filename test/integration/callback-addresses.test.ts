// The addresses that stores report to: several URLs of the service, each with its own path, and the answer on the wire.
import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Harness, putPart, someBytes, startHarness } from '../support/harness.ts'
import { type ReportingStore, reportingStore } from '../support/reporting-store.ts'

const KiB = 1024
const ADDRESSES = ['http://one.test/pr%C3%A9fix/a%20b', 'https://two.test', 'http://three.test/up']

let harness: Harness
let store: ReportingStore
let app: { id: string; apiKey: string }

beforeAll(async () => {
  harness = await startHarness({ callbackUrls: ADDRESSES })
  store = await reportingStore(harness)
})
afterAll(async () => {
  await store.close()
  await harness.stop()
})
beforeEach(async () => {
  harness.interceptCallback((forward) => forward)
  app = await harness.createApp({ direct: true, singleMaxBytes: 0 })
})

async function sent() {
  const bytes = someBytes(150 * KiB)
  const { body } = await harness.call('POST', '/v1/uploads', app.apiKey, {
    subject: 'ada',
    filename: 'a.bin',
    sizeBytes: bytes.length,
  })
  for (const part of body.parts) await putPart(part, bytes, bytes.length)
  return body as Record<string, any>
}

const stateOf = async ({ id }: Record<string, any>) =>
  (await harness.services.uploads.find(app.id, id))?.state

async function direct(created: Record<string, any>) {
  const path = `/v1/uploads/${created.id}/complete`
  const answer = await harness.call('POST', path, created.completionToken, { mode: 'direct' })
  const { method, url, headers } = answer.body.direct
  return { url, send: () => fetch(url, { method, headers }) }
}

const decoded = (text: string | null) => JSON.parse(Buffer.from(text!, 'base64').toString())

describe('the callback that a store is asked for', () => {
  it('names every address in order, and SNI where one has https', async () => {
    const { url } = await direct(await sent())

    const { searchParams } = new URL(url)
    expect(decoded(searchParams.get('callback'))).toMatchObject({
      callbackUrl: ADDRESSES.map((address) => `${address}/v1/callbacks/default`).join(';'),
      callbackSNI: true,
      callbackBodyType: 'application/json',
    })
    expect(Object.keys(decoded(searchParams.get('callback-var')))).toEqual(['x:token'])
  })

  it('is the same in a form', async () => {
    const { body } = await harness.call('POST', '/v1/uploads', app.apiKey, {
      subject: 'ada',
      filename: 'a.bin',
      sizeBytes: 5,
      method: 'form',
    })

    expect(decoded(body.form.fields.callback).callbackUrl.split(';')).toHaveLength(3)
  })

  it('reaches the next address where one does not answer', async () => {
    const called: string[] = []
    harness.interceptCallback((forward) => async (input, init) => {
      called.push(String(input))
      if (called.length < 3) throw new TypeError('no way there')
      // The proxy strips the prefix.
      return forward(String(input).replace('/up/', '/'), init)
    })
    const created = await sent()

    const answer = await (await direct(created)).send()

    expect(answer.status).toBe(200)
    expect(await answer.json()).toMatchObject({ id: created.id, state: 'completed' })
    expect(called).toEqual(ADDRESSES.map((address) => `${address}/v1/callbacks/default`))
  })
})

describe('a signature holds over the path by which the store called', () => {
  it.each([
    ['taken off on the way', '/préfix/a b/v1/callbacks/default', '/v1/callbacks/default'],
    ['left on with a query', '/v1/callbacks/default?a=%20b&c', '/v1/callbacks/default?a=%20b&c'],
    ['percent-encoded', '/v1/callbacks/default', '/v1/callbacks/def%61ult'],
    ['of another address', '/up/v1/callbacks/default', '/v1/callbacks/default'],
  ])('%s', async (_, signedTarget, target) => {
    const body = store.bodyOf(await sent())

    expect((await store.report(body, { target, signedTarget })).status).toBe(200)
  })

  it.each(['/other/v1/callbacks/default', '/up', '/'])('not over %s', async (signedTarget) => {
    const body = store.bodyOf(await sent())

    expect((await store.report(body, { signedTarget })).status).toBe(403)
  })
})

describe('on the wire', () => {
  let server: Server
  beforeAll(async () => {
    server = createServer(getRequestListener((request) => harness.app.fetch(request)))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  })
  afterAll(() => {
    server.closeAllConnections()
    server.close()
  })

  /** Everything received on a connection that closes after one answer. */
  function exchange(request: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
      let text = ''
      socket.on('error', reject).on('data', (chunk) => {
        text += chunk
      })
      socket.on('end', () => resolve(text))
      socket.write(request)
    })
  }

  it.each(['1.1', '1.0'])('HTTP/%s gets a whole answer with its length', async (version) => {
    const created = await sent()
    const callback = JSON.stringify(store.bodyOf(created))
    const target = '/v1/callbacks/default'

    const answer = await exchange(
      [
        `POST ${target} HTTP/${version}`,
        'Host: one.test',
        'Connection: close',
        'Content-Type: application/json',
        `Content-Length: ${Buffer.byteLength(callback)}`,
        `Authorization: ${store.signatureOf(target, callback)}`,
        '',
        callback,
      ].join('\r\n'),
    )

    const [head = '', body = ''] = answer.split('\r\n\r\n')
    expect(head).toMatch(/^HTTP\/1\.\d 200 /)
    expect(head.toLowerCase()).toContain(`\r\ncontent-length: ${body.length}`)
    expect(head).toMatch(/content-type: application\/json/i)
    expect(head).toMatch(/cache-control: no-store, no-transform/i)
    expect(head).not.toMatch(/transfer-encoding|content-encoding/i)
    expect(JSON.parse(body)).toEqual({ id: created.id, state: 'completing' })
  })

  it('a completed one as well, also where the sender takes compressed answers', async () => {
    const created = await sent()
    await harness.call('POST', `/v1/uploads/${created.id}/complete`, created.completionToken, {})
    const body = JSON.stringify(store.bodyOf(created))
    const target = '/v1/callbacks/default'

    const answer = await exchange(
      `POST ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAccept-Encoding: gzip\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nAuthorization: ${store.signatureOf(target, body)}\r\n\r\n${body}`,
    )

    const [head = '', text = ''] = answer.split('\r\n\r\n')
    expect(head.toLowerCase()).toContain(`\r\ncontent-length: ${Buffer.byteLength(text)}`)
    expect(head).not.toMatch(/transfer-encoding|content-encoding/i)
    expect(JSON.parse(text)).toMatchObject({ state: 'completed', object: { sizeBytes: 153_600 } })
    expect(await stateOf(created)).toBe('completed')
  })
})
