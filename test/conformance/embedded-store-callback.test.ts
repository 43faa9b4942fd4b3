// Callbacks of the embedded store: the post, its signature, and the answer to the uploader.
import { createHash, createVerify } from 'node:crypto'
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { keyring } from '../../src/embedded/store/sts/keyring.ts'
import { oss4DateTime, signHeaders } from '../../src/signing/oss4.ts'
import { BUCKET, CREDENTIALS, useEmbeddedStore } from '../support/embedded-store.ts'

interface Received {
  url: string
  headers: IncomingHttpHeaders
  body: string
}

const context = useEmbeddedStore()
let receiver: Server
let received: Received[]
let respond: (response: ServerResponse) => void
let origin: string

const answerWith =
  (body: string, status = 200, headers: Record<string, string> = {}) =>
  (response: ServerResponse) => {
    response.writeHead(status, { 'content-length': Buffer.byteLength(body), ...headers })
    response.end(body)
  }

beforeEach(async () => {
  received = []
  respond = answerWith('{"ok":true}')
  receiver = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk) => {
      body += chunk
    })
    request.on('end', () => {
      received.push({ url: request.url ?? '', headers: request.headers, body })
      respond(response)
    })
  })
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve))
  origin = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`
})

afterEach(() => {
  receiver.closeAllConnections()
  receiver.close()
})

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64')
const json = (fields: Record<string, unknown>) => ({
  callbackUrl: `${origin}/hook`,
  callbackBodyType: 'application/json',
  callbackBody: '{"object":${object}}',
  ...fields,
})
const putWith = (callback: unknown, vars?: unknown) =>
  context.call('PUT', 'a', {
    body: 'hello',
    headers: {
      'content-type': 'text/plain',
      'x-oss-callback': encode(callback),
      ...(vars ? { 'x-oss-callback-var': encode(vars) } : {}),
    },
  })

describe('the post', () => {
  test('is signed over decoded path, raw query and body, with the key that the store publishes', async () => {
    await putWith(json({ callbackUrl: `${origin}/a%20b/c+d?x=1%20&y=%2F` }))

    const [{ url, headers, body }] = received as [Received]
    const keyUrl = Buffer.from(String(headers['x-oss-pub-key-url']), 'base64').toString()
    const pem = await (await fetch(keyUrl)).text()
    const signed = `/a b/c+d?x=1%20&y=%2F\n${body}`
    expect(url).toBe('/a%20b/c+d?x=1%20&y=%2F')
    expect(keyUrl).toBe(`${context.store.url}/.callback-public-key.pem`)
    expect(pem).toBe(context.store.callbackPublicKeyPem)
    expect(
      createVerify('md5').update(signed).verify(pem, String(headers.authorization), 'base64'),
    ).toBe(true)
    expect(headers).toMatchObject({
      'content-type': 'application/json',
      'content-length': String(body.length),
      'content-md5': createHash('md5').update(body).digest('base64'),
      'user-agent': 'aliyun-oss-callback',
      'x-oss-bucket': 'test-bucket',
      'x-oss-signature-version': '1.0',
      'x-oss-tag': 'CALLBACK',
    })
  })

  test('inserts variables as JSON values', async () => {
    const names = ['bucket', 'object', 'etag', 'size', 'mimeType', 'crc64', 'contentMd5']
    const more = ['operation', 'clientIp', 'imageInfo.width', 'x:session', 'x:absent']
    const template = [...names, ...more].map((name) => `"${name}":\${${name}}`).join(',')

    const answer = await putWith(json({ callbackBody: `{${template},"reqId":\${reqId}}` }), {
      'x:session': 'upl_"1"',
    })

    expect(JSON.parse(received[0]!.body)).toEqual({
      bucket: 'test-bucket',
      object: 'a',
      etag: '5D41402ABC4B2A76B9719D911017C592',
      size: 5,
      mimeType: 'text/plain',
      crc64: answer.headers['x-oss-hash-crc64ecma'],
      contentMd5: 'XUFAKrxLKna5cZ2REBfFkg==',
      operation: 'PutObject',
      clientIp: '127.0.0.1',
      'imageInfo.width': '',
      'x:session': 'upl_"1"',
      'x:absent': '',
      reqId: answer.headers['x-oss-request-id'],
    })
  })

  test('inserts variables url-encoded into a form', async () => {
    const callbackBody = 'type=${mimeType}&v=${x:v}&h=${imageInfo.height}'
    const callback = { callbackUrl: `${origin}/hook`, callbackBody }

    await putWith(callback, { 'x:v': 'a&b=c +ü' })

    expect(received[0]!.body).toBe('type=text%2Fplain&v=a%26b%3Dc%20%2B%C3%BC&h=')
    expect(received[0]!.headers['content-type']).toBe('application/x-www-form-urlencoded')
  })

  test('goes to the next URL until one answers', async () => {
    const dead = 'http://127.0.0.1:1/dead'

    const answer = await putWith(json({ callbackUrl: `${dead};${origin}/second;${origin}/third` }))

    expect(answer).toMatchObject({ status: 200, text: '{"ok":true}' })
    expect(received.map(({ url }) => url)).toEqual(['/second'])
  })

  test('goes to the next URL after a wrong answer, and stops after a right one', async () => {
    const statuses = [500, 302, 200]
    respond = (response) => answerWith('{"ok":true}', statuses[received.length - 1])(response)
    const urls = ['first', 'second', 'third', 'fourth'].map((name) => `${origin}/${name}`)

    const answer = await putWith(json({ callbackUrl: urls.join(';') }))

    expect(answer).toMatchObject({ status: 200, text: '{"ok":true}' })
    expect(received.map(({ url }) => url)).toEqual(['/first', '/second', '/third'])
    expect(new Set(received.map(({ body }) => body)).size).toBe(1)
  })

  test('carries the Host of callbackHost, or of its URL', async () => {
    await putWith(json({ callbackHost: 'app.example:8443', callbackSNI: true }))
    await putWith(json({}))

    expect(received.map(({ headers }) => headers.host)).toEqual([
      'app.example:8443',
      new URL(origin).host,
    ])
  })

  test('happens once the object can be read', async () => {
    const reads: number[] = []
    respond = (response) => {
      void context.call('HEAD', 'a').then(({ status }) => {
        reads.push(status)
        answerWith('{}')(response)
      })
    }

    await putWith(json({}))

    expect(reads).toEqual([200])
  })
})

describe('completion', () => {
  test('by a signed URL posts the callback, and relays the application’s answer', async () => {
    const uploadId = await context.initiate('big')
    await context.uploadPart('big', uploadId, 1, 'part')
    const callback = json({ callbackBody: '{"op":${operation},"md5":${contentMd5},"s":${x:s}}' })

    const answer = await context.call('POST', 'big', {
      query: {
        uploadId,
        callback: encode(callback),
        'callback-var': encode({ 'x:s': 'upl_1' }),
      },
      headers: { 'x-oss-complete-all': 'yes', 'x-oss-forbid-overwrite': 'true' },
      expiresSeconds: 60,
    })

    expect(answer).toMatchObject({ status: 200, text: '{"ok":true}' })
    expect(answer.headers['content-type']).toBe('application/json')
    expect(answer.headers.etag).toMatch(/-1"$/)
    expect(JSON.parse(received[0]!.body)).toEqual({
      op: 'CompleteMultipartUpload',
      md5: '',
      s: 'upl_1',
    })
  })

  test('that is refused posts nothing', async () => {
    const uploadId = await context.initiate('big')
    const headers = { 'x-oss-callback': encode(json({})) }

    expect((await context.complete('big', uploadId, [[1, 'A'.repeat(32)]], headers)).status).toBe(
      400,
    )
    expect(received).toEqual([])
  })
})

describe('a wrong answer', () => {
  test.each([
    ['a redirect', answerWith('{}', 302, { location: 'http://127.0.0.1:1/' }), '302'],
    ['another status', answerWith('{}', 500), 'Error status : 500.'],
    ['204', (response: ServerResponse) => void response.writeHead(204).end(), '204'],
    ['no JSON', answerWith('ok'), 'not valid json'],
    ['a byte order mark', answerWith('\ufeff{}'), 'not valid json'],
    ['an empty body', answerWith(''), 'not valid json'],
    [
      'no Content-Length',
      (response: ServerResponse) => {
        response.write('{')
        response.end('}')
      },
      'missing content-length',
    ],
    ['more than 1 MB', answerWith(`"${'x'.repeat(1024 * 1024)}"`), '1 MB'],
    ['a cut connection', (response: ServerResponse) => response.destroy(), '502'],
  ])('of %s is 203, and the object is stored', async (_, wrong, message) => {
    respond = wrong

    const answer = await putWith(json({}))

    expect(answer).toMatchObject({ status: 203, code: 'CallbackFailed' })
    expect(answer.text).toContain(message)
    expect((await context.call('GET', 'a')).text).toBe('hello')
  })

  test('that takes longer than 5 s is 203', async () => {
    let signal: AbortSignal | null | undefined
    context.fetch = async (_, init) => {
      signal = init?.signal
      throw new DOMException('timed out', 'TimeoutError')
    }
    await context.restart()

    const answer = await putWith(json({}))

    expect(signal).toBeInstanceOf(AbortSignal)
    expect(answer).toMatchObject({ status: 203, code: 'CallbackFailed' })
    expect(answer.text).toContain('Cost too long time.')
  })

  test('that never comes is given up when the store closes', async () => {
    const asked = new Promise<void>((resolve) => {
      respond = () => resolve()
    })
    const pending = putWith(json({})).catch(() => 'cut')
    await asked

    await context.store.close()

    expect(await pending).toBe('cut')
    await context.start()
    expect((await context.call('GET', 'a')).text).toBe('hello')
  })
})

describe('a malformed callback', () => {
  const wrong: Array<[string, () => Record<string, string>, string?]> = [
    ['no base64', () => ({ 'x-oss-callback': '{}' })],
    ['no JSON', () => ({ 'x-oss-callback': Buffer.from('nope').toString('base64') })],
    ['no object', () => ({ 'x-oss-callback': encode([]) })],
    ['no URL', () => ({ 'x-oss-callback': encode({ callbackBody: 'x' }) }), '0007-00000004'],
    ['a wrong URL', () => ({ 'x-oss-callback': encode(json({ callbackUrl: 'http://' })) })],
    ['a file URL', () => ({ 'x-oss-callback': encode(json({ callbackUrl: 'file:///etc/x' })) })],
    [
      'six URLs',
      () => ({ 'x-oss-callback': encode(json({ callbackUrl: Array(6).fill(origin).join(';') })) }),
      '0007-00000005',
    ],
    ['no body', () => ({ 'x-oss-callback': encode(json({ callbackBody: undefined })) })],
    ['a wrong type', () => ({ 'x-oss-callback': encode(json({ callbackBodyType: 'text/xml' })) })],
    [
      'a host with a path',
      () => ({ 'x-oss-callback': encode(json({ callbackHost: 'a.example/x' })) }),
    ],
    [
      'an SNI that is no boolean',
      () => ({ 'x-oss-callback': encode(json({ callbackSNI: 'yes' })) }),
    ],
    ['version 2.0', () => ({ 'x-oss-callback': encode(json({ signatureVersion: '2.0' })) })],
    [
      'more than 5 KB',
      () => ({ 'x-oss-callback': encode(json({ callbackBody: 'x'.repeat(5000) })) }),
      '0007-00000001',
    ],
    [
      'a variable without x:',
      () => ({ 'x-oss-callback': encode(json({})), 'x-oss-callback-var': encode({ y: '1' }) }),
    ],
  ]

  test.each(wrong)('with %s is refused before anything is stored', async (_, headers, ec) => {
    const answer = await context.call('PUT', 'a', { body: 'x', headers: headers() })

    expect(answer).toMatchObject({ status: 400, code: 'InvalidArgument' })
    if (ec) expect(answer.headers['x-oss-ec']).toBe(ec)
    expect((await context.call('HEAD', 'a')).status).toBe(404)
    expect(received).toEqual([])
  })

  test('in both header and query is refused', async () => {
    const callback = encode(json({}))
    const answer = await context.call('PUT', 'a', {
      body: 'x',
      query: { callback },
      headers: { 'x-oss-callback': callback },
    })

    expect(answer).toMatchObject({ status: 400, code: 'InvalidArgument' })
    expect(answer.headers['x-oss-ec']).toBe('0007-00000027')
  })

  test('an empty URL means no callback', async () => {
    expect((await putWith(json({ callbackUrl: '' }))).status).toBe(200)
    expect(received).toEqual([])
  })
})

describe('where a callback may go', () => {
  const refused = { status: 403, code: 'AccessDenied' }
  const forbidden = async (answer: Promise<unknown>) => {
    expect(await answer).toMatchObject(refused)
    expect((await context.call('HEAD', 'a')).status).toBe(404)
    expect(received).toEqual([])
  }

  /** A PUT with temporary credentials: by a client of the app, not the owner of the store. */
  const putAsClient = (callback: unknown) => {
    const until = new Date(context.now.getTime() + 60_000)
    const { sessionToken, ...key } = keyring({ ...CREDENTIALS, clock: () => context.now }).issue(
      'STS.client',
      until,
      undefined,
    )
    const headers = {
      'content-type': 'text/plain',
      'x-oss-callback': encode(callback),
      'x-oss-security-token': sessionToken,
    }
    const scope = { dateTime: oss4DateTime(context.now), region: 'local' }
    const request = { method: 'PUT', bucket: BUCKET, key: 'a', query: [], headers }
    const path = `/${BUCKET}/a`
    return context.send({
      method: 'PUT',
      path,
      headers: signHeaders(request, key, scope),
      body: 'hello',
    })
  }

  test.each([
    'http://169.254.169.254/latest/meta-data/',
    'http://10.0.0.1/',
    'http://app.example/v1/callbacks/default',
    'http://127.0.0.1.app.example/',
    'http://[::ffff:10.0.0.1]/',
  ])('the store’s own key does not name %s', async (callbackUrl) => {
    await forbidden(putWith(json({ callbackUrl })))
    await forbidden(putWith(json({ callbackUrl: `${origin}/hook;${callbackUrl}` })))
  })

  test('the store’s own key names its service, wherever that is, and any address of this machine', async () => {
    const called: string[] = []
    context.serviceUrls = ['http://10.0.0.1:8787/base/']
    context.fetch = async (input) => {
      called.push(String(input))
      return new Response('{}', { headers: { 'content-length': '2' } })
    }
    await context.restart()
    const urls = [
      'http://10.0.0.1:8787/base/v1/callbacks/default',
      'http://localhost:3000/hook',
      'http://127.0.0.1:3000/hook',
      'http://[::1]:3000/hook',
    ]

    for (const callbackUrl of urls) {
      expect((await putWith(json({ callbackUrl }))).status).toBe(200)
    }
    expect(called).toEqual(urls)
  })

  test('temporary credentials name the service’s callback only, under its own host', async () => {
    context.serviceUrls = [origin]
    await context.restart()
    const callbackUrl = `${origin}/v1/callbacks/default`

    await forbidden(putAsClient(json({})))
    await forbidden(putAsClient(json({ callbackUrl: `${callbackUrl}/../../apps` })))
    await forbidden(putAsClient(json({ callbackUrl: callbackUrl.replace('//', '//me@') })))
    await forbidden(putAsClient(json({ callbackUrl: 'http://127.0.0.1:1/v1/callbacks/default' })))
    await forbidden(putAsClient(json({ callbackUrl, callbackHost: 'localhost' })))
    expect(await putAsClient(json({ callbackUrl }))).toMatchObject({ status: 200 })
    expect(received.map(({ url }) => url)).toEqual(['/v1/callbacks/default'])
  })

  test('a callback cannot be added to a URL that was signed without one', async () => {
    const signed = context.sign('PUT', 'a', { body: 'hello', expiresSeconds: 60 })
    const callback = encode(json({}))
    const asHeader = { ...signed, headers: { 'x-oss-callback': callback } }
    const inQuery = { ...signed, path: `${signed.path}&callback=${encodeURIComponent(callback)}` }

    for (const request of [asHeader, inQuery]) {
      expect(await context.send(request)).toMatchObject({
        status: 403,
        code: 'SignatureDoesNotMatch',
      })
    }
    expect(received).toEqual([])
  })
})
