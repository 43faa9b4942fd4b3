// Every operation of the embedded store, with both sides of each boundary.
import { createHash, randomBytes } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { crc64 } from '../../src/bytes/crc64.ts'
import { BUCKET, useEmbeddedStore } from '../support/embedded-store.ts'

const context = useEmbeddedStore()

const MIN_PART = 102_400
const md5 = (data: Uint8Array | string) => createHash('md5').update(data)
const etagOf = (data: Uint8Array | string) => `"${md5(data).digest('hex').toUpperCase()}"`
const crcOf = (data: Uint8Array) => String(crc64(data))
const dataFiles = () => readdir(join(context.directory, 'data'))

const FORM = { 'content-type': 'multipart/form-data; boundary=b' }
const ROLE = { 'x-acs-action': 'AssumeRole' }

describe('PutObject', () => {
  test('stores the bytes, the type, the metadata and the checksums', async () => {
    const body = randomBytes(300_000)
    const headers = {
      'content-type': 'image/png',
      'cache-control': 'max-age=60',
      'content-encoding': 'identity',
      'x-oss-meta-who': 'me',
      'x-oss-storage-class': 'IA',
      'x-oss-tagging': 'a=1&b=2',
      'content-md5': md5(body).digest('base64'),
    }

    const put = await context.call('PUT', 'a.png', { body, headers })
    const head = await context.call('HEAD', 'a.png')
    const got = await context.call('GET', 'a.png')

    expect(put.status).toBe(200)
    expect(put.headers).toMatchObject({
      etag: etagOf(body),
      'x-oss-hash-crc64ecma': crcOf(body),
      'content-md5': headers['content-md5'],
    })
    expect(head.headers).toMatchObject({
      etag: etagOf(body),
      'content-length': '300000',
      'content-type': 'image/png',
      'cache-control': 'max-age=60',
      'x-oss-meta-who': 'me',
      'x-oss-storage-class': 'IA',
      'x-oss-tagging-count': '2',
      'x-oss-object-type': 'Normal',
      'x-oss-hash-crc64ecma': crcOf(body),
      'last-modified': context.now.toUTCString(),
    })
    expect(got.bytes.equals(body)).toBe(true)
  })

  test('takes an empty body, and a chunked one', async () => {
    const empty = await context.call('PUT', 'empty', { body: '' })
    const chunked = await context.call('PUT', 'chunked', {
      body: 'abc',
      headers: { 'transfer-encoding': 'chunked' },
    })

    expect(empty.headers['x-oss-hash-crc64ecma']).toBe('0')
    expect((await context.call('GET', 'empty')).headers['content-length']).toBe('0')
    expect(chunked.status).toBe(200)
    expect((await context.call('GET', 'chunked')).text).toBe('abc')
  })

  test('replaces an object and removes the old bytes', async () => {
    await context.call('PUT', 'a', { body: 'old' })
    await context.call('PUT', 'a', { body: 'new' })

    expect((await context.call('GET', 'a')).text).toBe('new')
    expect(await dataFiles()).toHaveLength(1)
  })

  test('x-oss-forbid-overwrite keeps what is there', async () => {
    const headers = { 'x-oss-forbid-overwrite': 'true' }

    const first = await context.call('PUT', 'a', { body: 'first', headers })
    const second = await context.call('PUT', 'a', { body: 'second', headers })
    const wrong = await context.call('PUT', 'a', {
      body: 'x',
      headers: { 'x-oss-forbid-overwrite': 'maybe' },
    })

    expect(first.status).toBe(200)
    expect(second).toMatchObject({ status: 409, code: 'FileAlreadyExists' })
    expect(second.headers['x-oss-ec']).toBe('0026-00000002')
    expect(wrong).toMatchObject({ status: 400, code: 'InvalidArgument' })
    expect((await context.call('GET', 'a')).text).toBe('first')
  })

  test.each([
    ['another MD5', { 'content-md5': md5('other').digest('base64') }, 'InvalidDigest'],
    ['an MD5 that is none', { 'content-md5': 'abc' }, 'InvalidDigest'],
    ['another CRC64', { 'x-oss-hash-crc64ecma': '1' }, 'InvalidCRC64'],
    ['an unknown storage class', { 'x-oss-storage-class': 'Cold' }, 'InvalidArgument'],
    ['too much metadata', { 'x-oss-meta-a': 'x'.repeat(8192) }, 'InvalidArgument'],
  ])('with %s is refused and nothing stays', async (_, headers, code) => {
    const answer = await context.call('PUT', 'a', { body: 'abc', headers: headers as never })

    expect(answer).toMatchObject({ status: 400, code })
    expect((await context.call('HEAD', 'a')).status).toBe(404)
    expect(await dataFiles()).toEqual([])
  })

  test('without a length is refused', async () => {
    const { method, path, headers } = context.sign('PUT', 'a')
    const answer = await sendRaw(
      `${method} ${path} HTTP/1.1\r\nHost: h\r\n${lines(headers)}Connection: close\r\n\r\n`,
    )

    expect(answer).toContain('HTTP/1.1 411')
    expect(answer).toContain('MissingContentLength')
  })

  test('over 5 GiB is refused before its body', async () => {
    const { path, headers } = context.sign('PUT', 'a')
    const answer = await sendRaw(
      `PUT ${path} HTTP/1.1\r\nHost: h\r\n${lines(headers)}Content-Length: ${5 * 1024 ** 3 + 1}\r\nExpect: 100-continue\r\n\r\n`,
    )

    expect(answer).toMatch(/^HTTP\/1\.1 400/)
    expect(answer).toContain('EntityTooLarge')
  })

  test('cut in the middle stores nothing', async () => {
    const { path, headers } = context.sign('PUT', 'a')
    const socket = connect(context.store.port, '127.0.0.1')
    socket.write(
      `PUT ${path} HTTP/1.1\r\nHost: h\r\n${lines(headers)}Content-Length: 1000\r\n\r\nabc`,
    )
    await expect.poll(dataFiles).toHaveLength(1)
    socket.destroy()

    await expect.poll(dataFiles).toEqual([])
    expect((await context.call('HEAD', 'a')).status).toBe(404)
  })

  test.each([
    ['an object', () => context.sign('PUT', 'a'), 'abc'],
    [
      'a form',
      () => ({ method: 'POST', path: `/${BUCKET}/`, headers: FORM }),
      `--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nabc`,
    ],
    ['a document', () => context.sign('PUT', '', { query: { lifecycle: '' } }), '<Life'],
    ['a completion', () => context.sign('POST', 'a', { query: { uploadId: 'x' } }), '<Complete'],
    ['an assumed role', () => ({ method: 'POST', path: '/', headers: ROLE }), 'Action=AssumeRole&'],
  ])('cut in the middle of %s is no error of the store', async (_, request, begin) => {
    for (const cut of ['resetAndDestroy', 'end'] as const) {
      const before = context.lines.length
      const { method, path, headers = {} } = request()
      const socket = connect(context.store.port, '127.0.0.1')
      const ended = new Promise((resolve) => socket.once('close', resolve))
      socket.write(
        `${method} ${path} HTTP/1.1\r\nHost: h\r\n${lines(headers)}Content-Length: 1000\r\n\r\n${begin}`,
        () => setImmediate(() => socket[cut]()),
      )
      socket.resume()
      await ended

      await expect.poll(() => context.lines.length).toBeGreaterThan(before)
      expect(context.lines.slice(before).filter((line) => !line.startsWith('debug'))).toEqual([])
    }
  })

  test('a reader who goes away is no error of the store', async () => {
    await context.call('PUT', 'a', { body: new Uint8Array(8 * 1024 * 1024) })
    for (const cut of ['resetAndDestroy', 'destroy'] as const) {
      const before = context.lines.length
      const { path, headers } = context.sign('GET', 'a')
      const socket = connect(context.store.port, '127.0.0.1')
      socket.write(`GET ${path} HTTP/1.1\r\nHost: h\r\n${lines(headers ?? {})}\r\n`)
      await new Promise((resolve) => socket.once('data', resolve))
      socket[cut]()

      await expect.poll(() => context.lines.length).toBeGreaterThan(before)
      expect(context.lines.slice(before).filter((line) => !line.startsWith('debug'))).toEqual([])
    }
  })

  test('answers a refused large body on a connection that ends', async () => {
    const { method, path } = context.sign('PUT', 'a', { expiresSeconds: 60 })

    const answer = await context.send({
      method,
      path: `${path}0`,
      body: randomBytes(8 * 1024 * 1024),
    })

    expect(answer).toMatchObject({ status: 403, code: 'SignatureDoesNotMatch' })
    expect(answer.headers.connection).toBe('close')
  })
})

test('a refused request without a body keeps its connection, one that awaits 100 does not', async () => {
  const get = `GET /${BUCKET}/a HTTP/1.1\r\nHost: h\r\n`
  const put = `PUT /${BUCKET}/a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n`

  const answer = await sendRaw(`${get}\r\n${get}\r\n${put}`)

  const [first, second, third, ...more] = answer.split('HTTP/1.1 ').slice(1)
  for (const refused of [first, second, third]) expect(refused).toMatch(/^403/)
  expect(first).not.toContain('onnection: close')
  expect(third).toContain('onnection: close')
  expect(more).toEqual([])
})

test('a body is asked for with 100 Continue once it is wanted', async () => {
  const { path, headers } = context.sign('PUT', 'a')
  const head = `PUT ${path} HTTP/1.1\r\nHost: h\r\n${lines(headers)}`

  const answer = await sendRaw(
    `${head}Content-Length: 3\r\nExpect: 100-continue\r\nConnection: close\r\n\r\nabc`,
  )

  expect(answer).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200/)
})

describe('GetObject', () => {
  test.each([
    ['bytes=0-0', 206, 'a', 'bytes 0-0/10'],
    ['bytes=2-4', 206, 'cde', 'bytes 2-4/10'],
    ['bytes=7-', 206, 'hij', 'bytes 7-9/10'],
    ['bytes=7-99', 200, 'abcdefghij', undefined],
    ['bytes=10-', 200, 'abcdefghij', undefined],
    ['bytes=10-12', 200, 'abcdefghij', undefined],
    ['bytes=-2', 206, 'ij', 'bytes 8-9/10'],
    ['bytes=-99', 206, 'abcdefghij', 'bytes 0-9/10'],
    ['bytes=4-2', 200, 'abcdefghij', undefined],
    ['bytes=0-1,3-4', 200, 'abcdefghij', undefined],
    ['lines=1-2', 200, 'abcdefghij', undefined],
  ])('with Range %s answers %i %s', async (range, status, text, contentRange) => {
    await context.call('PUT', 'a', { body: 'abcdefghij' })

    const answer = await context.call('GET', 'a', { headers: { range } })

    expect(answer).toMatchObject({ status, text })
    expect(answer.headers['content-range']).toBe(contentRange)
  })

  test.each([
    ['bytes=10-', 'standard'],
    ['bytes=10-12', 'standard'],
    ['bytes=-0', 'standard'],
    ['bytes=-0', 'default'],
  ])('with Range %s and the %s behaviour answers 416', async (range, behaviour) => {
    await context.call('PUT', 'a', { body: 'abcdefghij' })
    const headers = { range, 'x-oss-range-behavior': behaviour }

    const answer = await context.call('GET', 'a', { headers })

    expect(answer).toMatchObject({ status: 416, code: 'InvalidRange' })
    expect(answer.headers['content-range']).toBe('bytes */10')
  })

  test('with a Range beyond the end and the standard behaviour answers what there is', async () => {
    await context.call('PUT', 'a', { body: 'abcdefghij' })
    const headers = { range: 'bytes=7-99', 'x-oss-range-behavior': 'standard' }

    const answer = await context.call('GET', 'a', { headers })

    expect(answer).toMatchObject({ status: 206, text: 'hij' })
    expect(answer.headers['content-range']).toBe('bytes 7-9/10')
  })

  test('is safe to open in a browser, whatever was uploaded', async () => {
    await context.call('PUT', 'a', { body: '<script>', headers: { 'content-type': 'text/html' } })
    await context.call('PUT', 'b', {
      body: 'x',
      headers: { 'content-disposition': 'inline; filename="b.html"' },
    })

    const plain = await context.call('GET', 'a')
    const named = await context.call('GET', 'b')
    const asked = await context.call('GET', 'a', {
      query: {
        'response-content-disposition': 'inline; filename="c.txt"',
        'response-content-type': 'text/plain',
        'response-cache-control': 'no-store',
      },
      expiresSeconds: 60,
    })

    expect(plain.headers).toMatchObject({
      'content-type': 'text/html',
      'content-disposition': 'attachment',
      'content-security-policy': 'sandbox',
      'x-content-type-options': 'nosniff',
    })
    expect(named.headers['content-disposition']).toBe('attachment; filename="b.html"')
    expect(asked.headers).toMatchObject({
      'content-type': 'text/plain',
      'cache-control': 'no-store',
      'content-disposition': 'attachment; filename="c.txt"',
    })
  })

  test('an override cannot add a header', async () => {
    await context.call('PUT', 'a', { body: 'x' })
    const query = { 'response-content-type': 'text/plain\r\nset-cookie: a=b' }

    expect((await context.call('GET', 'a', { query })).code).toBe('InvalidArgument')
  })

  test('keeps to the conditions', async () => {
    await context.call('PUT', 'a', { body: 'x' })
    const get = async (headers: Record<string, string>) =>
      (await context.call('GET', 'a', { headers })).status
    const before = new Date(context.now.getTime() - 5000).toUTCString()
    const after = new Date(context.now.getTime() + 5000).toUTCString()

    expect(await get({ 'if-match': etagOf('x') })).toBe(200)
    expect(await get({ 'if-match': '"other"' })).toBe(412)
    expect(await get({ 'if-none-match': etagOf('x') })).toBe(304)
    expect(await get({ 'if-none-match': '"other"' })).toBe(200)
    expect(await get({ 'if-modified-since': after })).toBe(304)
    expect(await get({ 'if-modified-since': before })).toBe(200)
    expect(await get({ 'if-unmodified-since': before })).toBe(412)
  })

  test('of a missing key says so; HEAD says it in x-oss-err', async () => {
    const get = await context.call('GET', 'none')
    const head = await context.call('HEAD', 'none')

    expect(get).toMatchObject({ status: 404, code: 'NoSuchKey' })
    expect(get.text).toContain('<Key>none</Key>')
    expect(get.headers['x-oss-ec']).toBe('0026-00000001')
    expect(head.status).toBe(404)
    expect(Buffer.from(String(head.headers['x-oss-err']), 'base64').toString()).toContain(
      '<Code>NoSuchKey</Code>',
    )
  })
})

describe('DeleteObject', () => {
  test('answers 204 whether it existed or not, and removes the bytes', async () => {
    await context.call('PUT', 'a', { body: 'x' })

    expect((await context.call('DELETE', 'a')).status).toBe(204)
    expect((await context.call('DELETE', 'a')).status).toBe(204)
    expect((await context.call('GET', 'a')).status).toBe(404)
    expect(await dataFiles()).toEqual([])
  })

  test('with If-Match removes only what was meant', async () => {
    await context.call('PUT', 'a', { body: 'x' })

    const wrong = await context.call('DELETE', 'a', { headers: { 'if-match': '"other"' } })
    const right = await context.call('DELETE', 'a', { headers: { 'if-match': etagOf('x') } })

    expect(wrong).toMatchObject({ status: 412, code: 'PreconditionFailed' })
    expect(right.status).toBe(204)
  })
})

describe('multipart upload', () => {
  test('makes one object of listed parts, gaps allowed, others dropped', async () => {
    const parts = [randomBytes(MIN_PART), randomBytes(MIN_PART + 1), randomBytes(10)]
    const uploadId = await context.initiate('big', {
      'content-type': 'video/mp4',
      'x-oss-meta-session': 'upl_1',
    })
    const etags = new Map<number, string | undefined>()
    for (const [index, number] of [2, 5, 9].entries()) {
      const answer = await context.uploadPart('big', uploadId, number, parts[index]!)
      etags.set(number, answer.headers.etag)
    }
    await context.uploadPart('big', uploadId, 7, 'not listed')

    const done = await context.complete('big', uploadId, [
      [2, etags.get(2)],
      [5, etags.get(5)?.toLowerCase().replaceAll('"', '')],
      [9, etags.get(9)?.replaceAll('"', '&#34;')],
    ])
    const got = await context.call('GET', 'big')

    const whole = Buffer.concat(parts)
    expect(done.status).toBe(200)
    expect(done.headers.etag).toMatch(/^"[0-9A-F]{32}-3"$/)
    expect(done.headers['x-oss-hash-crc64ecma']).toBe(crcOf(whole))
    expect(done.text).toContain(`<ETag>${done.headers.etag}</ETag>`)
    expect(got.bytes.equals(whole)).toBe(true)
    expect(got.headers).toMatchObject({
      etag: done.headers.etag,
      'content-type': 'video/mp4',
      'x-oss-meta-session': 'upl_1',
      'x-oss-object-type': 'Multipart',
      'x-oss-hash-crc64ecma': crcOf(whole),
    })
    expect(await dataFiles()).toHaveLength(3)
    expect((await context.complete('big', uploadId)).code).toBe('NoSuchUpload')
  })

  test('ranges run across parts', async () => {
    const parts = [randomBytes(MIN_PART), randomBytes(MIN_PART), randomBytes(MIN_PART)]
    const uploadId = await context.initiate('big')
    for (const [index, part] of parts.entries()) {
      await context.uploadPart('big', uploadId, index + 1, part)
    }
    await context.complete('big', uploadId)
    const whole = Buffer.concat(parts)

    for (const [first, last] of [
      [MIN_PART - 1, MIN_PART],
      [MIN_PART, 2 * MIN_PART - 1],
      [10, 3 * MIN_PART - 11],
    ] as const) {
      const answer = await context.call('GET', 'big', {
        headers: { range: `bytes=${first}-${last}` },
      })
      expect(answer.bytes.equals(whole.subarray(first, last + 1))).toBe(true)
    }
  })

  test.each([
    ['0', '0017-00000220'],
    ['10001', '0017-00000220'],
    ['1.5', '0017-00000220'],
    ['', '0017-00000219'],
  ])('part number "%s" is refused', async (number, ec) => {
    const uploadId = await context.initiate('a')
    const answer = await context.uploadPart('a', uploadId, number, 'x')

    expect(answer).toMatchObject({ status: 400, code: 'InvalidArgument' })
    expect(answer.headers['x-oss-ec']).toBe(ec)
  })

  test('abort removes everything, and a second one finds nothing', async () => {
    const uploadId = await context.initiate('a')
    await context.uploadPart('a', uploadId, 1, 'x')

    const first = await context.call('DELETE', 'a', { query: { uploadId } })
    const second = await context.call('DELETE', 'a', { query: { uploadId } })

    expect(first.status).toBe(204)
    expect(second).toMatchObject({ status: 404, code: 'NoSuchUpload' })
    expect(second.headers['x-oss-ec']).toBe('0042-00000002')
    const listed = await context.call('GET', 'a', { query: { uploadId } })
    expect(listed.headers['x-oss-ec']).toBe('0042-00000002')
    const late = await context.uploadPart('a', uploadId, 1, 'x')
    expect(late.code).toBe('NoSuchUpload')
    expect(late.headers['x-oss-ec']).toBe('0042-00000104')
    expect(await dataFiles()).toEqual([])
    expect(await readdir(join(context.directory, 'uploads'))).toEqual([])
  })

  test('forbid-overwrite is kept at initiation and at completion; the upload stays open', async () => {
    const headers = { 'x-oss-forbid-overwrite': 'true' }
    const uploadId = await context.initiate('a', headers)
    await context.uploadPart('a', uploadId, 1, 'parts')
    await context.call('PUT', 'a', { body: 'put' })

    const initiated = await context.call('POST', 'a', { query: { uploads: '' }, headers })
    const refused = await context.complete('a', uploadId, undefined, headers)
    const allowed = await context.complete('a', uploadId)

    expect(initiated).toMatchObject({ status: 409, code: 'FileAlreadyExists' })
    expect(refused).toMatchObject({ status: 409, code: 'FileAlreadyExists' })
    expect(refused.headers['x-oss-ec']).toBe('0042-00000214')
    expect(allowed.status).toBe(200)
    expect((await context.call('GET', 'a')).text).toBe('parts')
  })
})

describe('completion', () => {
  const E = 'A'.repeat(32)
  const part = (number: unknown, etag = E) =>
    `<Part><PartNumber>${number}</PartNumber><ETag>${etag}</ETag></Part>`
  const list = (parts: string) => `<CompleteMultipartUpload>${parts}</CompleteMultipartUpload>`

  test.each([
    ['nothing', '', 'MalformedXML'],
    ['no XML', 'parts', 'MalformedXML'],
    ['an open element', '<CompleteMultipartUpload>', 'MalformedXML'],
    ['another root', `<Complete>${part(1)}</Complete>`, 'MalformedXML'],
    ['an unknown element', list(`${part(1)}<X>1</X>`), 'MalformedXML'],
    ['a part without ETag', list('<Part><PartNumber>1</PartNumber></Part>'), 'MalformedXML'],
    ['a number that is none', list(part('one')), 'MalformedXML'],
    ['a DOCTYPE', `<!DOCTYPE x [<!ENTITY a "1">]>${list(part('&a;'))}`, 'MalformedXML'],
    ['numbers that go down', list(part(2) + part(1)), 'InvalidPartOrder'],
    ['a number twice', list(part(1) + part(1)), 'InvalidPartOrder'],
    ['number 0', list(part(0)), 'InvalidPartOrder'],
    ['number 10001', list(part(10_001)), 'InvalidPartOrder'],
    ['a part that was not sent', list(part(3)), 'InvalidPart'],
    ['another ETag', list(part(1)), 'InvalidPart'],
  ])('of %s is refused', async (_, body, code) => {
    const uploadId = await context.initiate('a')
    await context.uploadPart('a', uploadId, 1, 'x')

    const answer = await context.call('POST', 'a', { query: { uploadId }, body })

    expect(answer).toMatchObject({ status: 400, code })
    expect((await context.complete('a', uploadId)).status).toBe(200)
  })

  test('takes namespaces, white space and a declaration', async () => {
    const uploadId = await context.initiate('a')
    await context.uploadPart('a', uploadId, 1, 'x')
    const body = `<?xml version="1.0" encoding="UTF-8"?>\n<CompleteMultipartUpload xmlns="http://doc.oss-cn-hangzhou.aliyuncs.com">\n ${part(1, etagOf('x'))}\n</CompleteMultipartUpload>\n`

    expect((await context.call('POST', 'a', { query: { uploadId }, body })).status).toBe(200)
  })

  test('of more than 2 MiB is refused', async () => {
    const uploadId = await context.initiate('a')
    const body = list(part(1)) + ' '.repeat(2 * 1024 * 1024)

    expect((await context.call('POST', 'a', { query: { uploadId }, body })).code).toBe(
      'MalformedXML',
    )
  })

  test.each([
    [MIN_PART - 1, 'EntityTooSmall'],
    [MIN_PART, undefined],
  ])('with a first part of %i bytes: %s', async (size, code) => {
    const uploadId = await context.initiate('a')
    await context.uploadPart('a', uploadId, 1, randomBytes(size))
    await context.uploadPart('a', uploadId, 2, '')

    expect((await context.complete('a', uploadId)).code).toBe(code)
  })

  test('of all parts takes no body, and only knows "yes"', async () => {
    const uploadId = await context.initiate('a')
    const all = { 'x-oss-complete-all': 'yes' }
    const query = { uploadId }

    await context.uploadPart('a', uploadId, 1, 'x')
    const both = await context.call('POST', 'a', { query, headers: all, body: list(part(1)) })
    const no = await context.complete('a', uploadId, undefined, { 'x-oss-complete-all': 'no' })

    expect(both).toMatchObject({ status: 400, code: 'InvalidArgument' })
    expect(both.headers['x-oss-ec']).toBe('0042-00000205')
    expect(no).toMatchObject({ status: 400, code: 'InvalidArgument' })
  })
})

describe('listing', () => {
  test('times are whole seconds with three zeros: the Python SDK reads nothing else', async () => {
    context.now = new Date('2023-12-16T16:20:57.123Z')
    const uploadId = await context.initiate('a')
    await context.uploadPart('a', uploadId, 1, 'x')

    const parts = await context.call('GET', 'a', { query: { uploadId } })
    const uploads = await context.call('GET', '', { query: { uploads: '' } })

    expect(tag(parts.text, 'LastModified')).toBe('2023-12-16T16:20:57.000Z')
    expect(tag(uploads.text, 'Initiated')).toBe('2023-12-16T16:20:57.000Z')
  })

  test('parts come in pages, in order', async () => {
    const key = 'a b+c&d.bin'
    const uploadId = await context.initiate(key, { 'x-oss-storage-class': 'IA' })
    for (const number of [3, 1, 20])
      await context.uploadPart(key, uploadId, number, `part ${number}`)

    const first = await context.call('GET', key, {
      query: { uploadId, 'max-parts': '2', 'encoding-type': 'url' },
    })
    const rest = await context.call('GET', key, { query: { uploadId, 'part-number-marker': '3' } })

    expect(first.text).toContain('<EncodingType>url</EncodingType>')
    expect(first.text).toContain('<Key>a%20b%2Bc%26d.bin</Key>')
    expect(first.text).toContain('<StorageClass>IA</StorageClass>')
    expect(first.text).toContain('<NextPartNumberMarker>3</NextPartNumberMarker>')
    expect(first.text).toContain('<IsTruncated>true</IsTruncated>')
    expect(numbers(first.text)).toEqual([1, 3])
    expect(rest.text).toContain('<Key>a b+c&amp;d.bin</Key>')
    expect(rest.text).toContain('<IsTruncated>false</IsTruncated>')
    expect(rest.text).toContain(
      `<Part><PartNumber>20</PartNumber><LastModified>${context.now.toISOString().slice(0, 19)}.000Z</LastModified>` +
        `<ETag>${etagOf('part 20')}</ETag>` +
        `<HashCrc64ecma>${crcOf(Buffer.from('part 20'))}</HashCrc64ecma><Size>7</Size></Part>`,
    )
  })

  test.each(['0', '1001', 'x'])('of %s parts a page is refused', async (pageSize) => {
    const uploadId = await context.initiate('a')
    const query = { uploadId, 'max-parts': pageSize }

    expect((await context.call('GET', 'a', { query })).code).toBe('InvalidArgument')
  })

  test('uploads come in pages, by key and upload id, under a prefix', async () => {
    const ids: string[] = []
    for (const key of ['p/b', 'p/a', 'p/b', 'q', 'p/c/d', 'p/c/e']) {
      ids.push(await context.initiate(key))
    }
    const list = (query: Record<string, string>) =>
      context.call('GET', '', { query: { uploads: '', prefix: 'p/', ...query } })

    const seen: string[] = []
    let markers: Record<string, string> = {}
    for (let page = 0; page < 5; page++) {
      const { text } = await list({ 'max-uploads': '1', ...markers })
      seen.push(`${tag(text, 'Key')} ${tag(text, 'UploadId')}`)
      markers = {
        'key-marker': tag(text, 'NextKeyMarker'),
        'upload-id-marker': tag(text, 'NextUploadIdMarker'),
      }
      expect(tag(text, 'IsTruncated')).toBe(String(page < 4))
    }
    const grouped = await list({ delimiter: '/' })

    const [b1, b2] = [ids[0]!, ids[2]!].sort()
    expect(seen).toEqual([
      `p/a ${ids[1]}`,
      `p/b ${b1}`,
      `p/b ${b2}`,
      `p/c/d ${ids[4]}`,
      `p/c/e ${ids[5]}`,
    ])
    expect(grouped.text).toContain('<CommonPrefixes><Prefix>p/c/</Prefix></CommonPrefixes>')
    expect(grouped.text).not.toContain('<Key>p/c')
  })
})

describe('everything else', () => {
  test.each([
    ['POST', { append: '', position: '0' }],
    ['GET', { 'x-oss-process': 'image/info' }],
    ['PUT', { acl: '' }],
    ['PUT', { tagging: '' }],
  ])('%s with %o is not taken for something else', async (method, query) => {
    expect((await context.call(method, 'a', { query: query as never })).code).toBe('NotImplemented')
  })

  test('a copy source in another request, and unknown methods are refused', async () => {
    const headers = { 'x-oss-copy-source': `/${BUCKET}/b` }

    expect((await context.call('GET', 'a', { headers })).code).toBe('NotImplemented')
    expect((await context.call('POST', 'a')).code).toBe('MethodNotAllowed')
  })

  test('a preflight needs no credentials and allows what is asked', async () => {
    const answer = await context.send({
      method: 'OPTIONS',
      path: `/${BUCKET}/a?partNumber=1`,
      headers: {
        origin: 'https://app.test',
        'access-control-request-method': 'PUT',
        'access-control-request-headers': 'content-md5, x-oss-callback',
      },
    })

    expect(answer.status).toBe(200)
    expect(answer.headers).toMatchObject({
      'access-control-allow-origin': '*',
      'access-control-allow-methods': 'GET, PUT, POST, DELETE, HEAD',
      'access-control-allow-headers': 'content-md5, x-oss-callback',
      'access-control-max-age': '600',
    })
    expect(answer.headers['access-control-expose-headers']).toMatch(/ETag/)
  })
})

const tag = (text: string, name: string): string =>
  new RegExp(`<${name}>([^<]*)</${name}>`).exec(text)?.[1] ?? ''

const numbers = (text: string): number[] =>
  [...text.matchAll(/<PartNumber>(\d+)</g)].map((match) => Number(match[1]))

const lines = (headers: Record<string, string> = {}): string =>
  Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')

/** All that comes back until the server closes the connection. */
function sendRaw(text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(context.store.port, '127.0.0.1', () => socket.write(text))
    let received = ''
    socket.on('data', (chunk) => {
      received += chunk.toString()
    })
    socket.on('close', () => resolve(received))
    socket.on('error', reject)
  })
}
