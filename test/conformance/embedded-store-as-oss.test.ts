// The embedded store answers as OSS does, byte by byte, where official clients look: names of headers, metadata, ETags,
// empty uploads, and requests as real SDKs send them.
import { createHash } from 'node:crypto'
import { connect } from 'node:net'
import { describe, expect, test } from 'vitest'
import { BUCKET, type RawRequest, useEmbeddedStore } from '../support/embedded-store.ts'

const context = useEmbeddedStore()
const PART = new Uint8Array(102_400).fill(7)
const md5 = (data: Uint8Array | string) => createHash('md5').update(data)
const upper = (data: Uint8Array | string) => md5(data).digest('hex').toUpperCase()

/** All bytes that come back until the store closes the connection. */
function sendBytes(text: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = connect(context.store.port, '127.0.0.1', () => socket.write(text))
    const chunks: Buffer[] = []
    socket.on('data', (chunk) => chunks.push(chunk))
    socket.on('close', () => resolve(Buffer.concat(chunks)))
    socket.on('error', reject)
  })
}

const sendRaw = async (text: string) => (await sendBytes(text)).toString()

/** The request line and headers, without the empty line that ends them. */
const head = ({ method, path, headers = {} }: RawRequest): string =>
  `${method} ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n${Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')}`

describe('bytes and metadata', () => {
  test('the ETag of a multipart object is the MD5 of its parts’ ETags as text', async () => {
    const uploadId = await context.initiate('big')
    await context.uploadPart('big', uploadId, 1, PART)
    await context.uploadPart('big', uploadId, 2, 'end')

    const done = await context.complete('big', uploadId)

    expect(done.headers.etag).toBe(`"${upper(upper(PART) + upper('end'))}-2"`)
  })

  test.each(['HEAD', 'GET'])('%s answers metadata as the bytes that came', async (method) => {
    const { headers } = context.sign('PUT', 'a', { headers: { 'x-oss-meta-name': 'größe 图' } })
    const wire = Object.fromEntries(
      Object.entries(headers!).map(([name, value]) => [
        name,
        Buffer.from(value).toString('latin1'),
      ]),
    )
    const put = await context.send({ method: 'PUT', path: `/${BUCKET}/a`, headers: wire, body: '' })

    const answer = await sendBytes(`${head(context.sign(method, 'a'))}\r\n`)

    expect(put.status).toBe(200)
    expect(answer.includes(Buffer.from('x-oss-meta-name: größe 图\r\n'))).toBe(true)
  })

  test('a normal object has a Content-MD5, a part of it and a multipart object have none', async () => {
    await context.call('PUT', 'a', { body: 'hello' })
    const uploadId = await context.initiate('big')
    await context.uploadPart('big', uploadId, 1, 'hello')
    await context.complete('big', uploadId)
    const header = async (method: string, key: string, headers = {}) =>
      (await context.call(method, key, { headers })).headers['content-md5']

    const expected = md5('hello').digest('base64')
    expect(await header('HEAD', 'a')).toBe(expected)
    expect(await header('GET', 'a')).toBe(expected)
    expect(await header('GET', 'a', { range: 'bytes=0-1' })).toBeUndefined()
    expect(await header('HEAD', 'big')).toBeUndefined()
  })

  test('header names are spelt as OSS spells them', async () => {
    const put = await sendRaw(`${head(context.sign('PUT', 'a'))}Content-Length: 5\r\n\r\nhello`)
    const get = await sendRaw(`${head(context.sign('GET', 'a'))}\r\n`)

    for (const name of [
      'ETag',
      'Content-MD5',
      'Date',
      'x-oss-hash-crc64ecma',
      'x-oss-request-id',
    ]) {
      expect(put).toContain(`\r\n${name}: `)
    }
    for (const name of [
      'ETag',
      'Content-MD5',
      'Last-Modified',
      'Content-Length',
      'Accept-Ranges',
    ]) {
      expect(get).toContain(`\r\n${name}: `)
    }
  })
})

describe('multipart', () => {
  test.each([
    ['an empty list', '<CompleteMultipartUpload></CompleteMultipartUpload>', {}],
    ['all of no parts', '', { 'x-oss-complete-all': 'yes' }],
  ])('completing with %s makes an empty object', async (_, body, headers) => {
    const uploadId = await context.initiate('empty')

    const done = await context.call('POST', 'empty', { query: { uploadId }, body, headers })

    expect(done.status).toBe(200)
    expect(await context.call('GET', 'empty')).toMatchObject({ status: 200, text: '' })
  })

  test('a listing without a part has no next marker, the last page of uploads has one', async () => {
    const uploadId = await context.initiate('a')

    const parts = await context.call('GET', 'a', { query: { uploadId } })
    const uploads = await context.call('GET', '', { query: { uploads: '' } })

    expect(parts.text).toContain('<NextPartNumberMarker></NextPartNumberMarker>')
    expect(uploads.text).toContain('<NextKeyMarker>a</NextKeyMarker>')
    expect(uploads.text).toContain(`<NextUploadIdMarker>${uploadId}</NextUploadIdMarker>`)
    expect(uploads.text).toContain('<IsTruncated>false</IsTruncated>')
  })

  test('a sequential upload answers the MD5 of the whole object, also after a restart', async () => {
    const query = { uploads: '', sequential: '' }
    const { text } = await context.call('POST', 'a', { query })
    const uploadId = /<UploadId>(\w+)</.exec(text)?.[1] ?? ''
    await context.uploadPart('a', uploadId, 1, PART)
    await context.restart()
    await context.uploadPart('a', uploadId, 2, 'end')

    const done = await context.complete('a', uploadId)

    expect(done.headers['content-md5']).toBe(md5(PART).update('end').digest('base64'))
  })
})

describe('requests as real clients send them', () => {
  const chunked = 'Transfer-Encoding: chunked\r\n'

  test.each([
    ['0', '5\r\nhello\r\n0\r\n\r\n', 200],
    ['5', '5\r\nhello\r\n0\r\n\r\n', 200],
    ['4', '5\r\nhello\r\n0\r\n\r\n', 400],
  ])('a chunked body beside a Content-Length of %s', async (length, body, status) => {
    const put = head(context.sign('PUT', 'a'))

    const answer = await sendRaw(`${put}${chunked}Content-Length: ${length}\r\n\r\n${body}`)

    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    expect((await context.call('GET', 'a')).text.includes('hello')).toBe(status === 200)
  })

  test('a header with a control character is refused, because it could not be answered', async () => {
    const put = `${head(context.sign('PUT', 'a'))}Content-Length: 0\r\nx-oss-meta-a: \u0001\r\n\r\n`

    expect(await sendRaw(put)).toMatch(/^HTTP\/1.1 400 [\s\S]*<Code>InvalidArgument</)
  })

  test('beyond this machine a malformed request is refused as XML with a request id', async () => {
    context.host = '0.0.0.0'
    await context.restart()
    const put = head(context.sign('PUT', 'a'))

    const answer = await sendRaw(`${put}${chunked}Content-Length: 0\r\n\r\n0\r\n\r\n`)

    expect(answer).toMatch(/^HTTP\/1.1 400 Bad Request\r\n/)
    const [, requestId] = /\r\nx-oss-request-id: ([0-9A-F]{24})\r\n/.exec(answer) ?? []
    expect(answer).toContain(`<RequestId>${requestId}</RequestId>`)
    expect(answer).toContain('<Code>BadRequest</Code>')
  })

  test('an encoded slash after the bucket, and a bucket without a slash', async () => {
    const put = context.sign('PUT', 'dir/a', { body: 'x' })
    const list = context.sign('GET', '', { query: { uploads: '' } })

    const object = await context.send({ ...put, path: `/${BUCKET}%2Fdir%2Fa` })
    const bucket = await context.send({ ...list, path: `/${BUCKET}?uploads=` })

    expect(object.status).toBe(200)
    expect((await context.call('GET', 'dir/a')).text).toBe('x')
    expect(bucket.status).toBe(200)
  })

  test('an additional header that is listed but not sent', async () => {
    const { headers, ...put } = context.sign('PUT', 'a', {
      headers: { range: 'x' },
      additionalHeaders: ['range'],
    })
    const { range: _, ...sent } = headers!

    const answer = await context.send({ ...put, headers: sent, body: '' })

    expect(answer).toMatchObject({ status: 400, code: 'InvalidArgument' })
    expect(answer.headers['x-oss-ec']).toBe('0002-00000211')
  })
})

describe('the order of checks', () => {
  test('an unknown bucket comes before the key, in a preflight, too', async () => {
    const preflight = { origin: 'https://app.test', 'access-control-request-method': 'PUT' }

    const unsigned = await context.send({ method: 'GET', path: '/other/a' })
    const asked = await context.send({ method: 'OPTIONS', path: '/other/a', headers: preflight })

    expect(unsigned).toMatchObject({ status: 404, code: 'NoSuchBucket' })
    expect(asked).toMatchObject({ status: 404, code: 'NoSuchBucket' })
  })

  test.each<[string, Record<string, string>, string]>([
    ['If-Modified-Since', { 'if-modified-since': new Date().toUTCString() }, 'NotImplemented'],
    ['a tag without a key', { 'x-oss-tagging': 'a=1&=2' }, 'InvalidTag'],
  ])('PutObject with %s is refused', async (_, headers, code) => {
    expect(await context.call('PUT', 'a', { headers, body: '' })).toMatchObject({
      status: 400,
      code,
    })
  })
})
