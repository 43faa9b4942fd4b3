// OSS signature V4 at the embedded store, by header and by query: accepted and refused requests.
import { describe, expect, test } from 'vitest'
import { credentialScope, oss4DateTime } from '../../src/signing/oss4.ts'
import { BUCKET, type RawRequest, useEmbeddedStore } from '../support/embedded-store.ts'

const context = useEmbeddedStore()

const withHeaders = (request: RawRequest, headers: Record<string, string>): RawRequest => ({
  ...request,
  headers: { ...request.headers, ...headers },
})

const withQuery = (request: RawRequest, from: string | RegExp, to: string): RawRequest => ({
  ...request,
  path: request.path.replace(from, to),
})

describe('header signature', () => {
  test('is accepted with spaces after the commas and in any order', async () => {
    const request = context.sign('PUT', 'a', { body: 'x', headers: { 'content-type': 'text/x' } })
    const [algorithm, fields] = request.headers!.authorization!.split(' ')
    const authorization = `${algorithm} ${fields!.split(',').reverse().join(', ')}`

    const answer = await context.send(withHeaders(request, { authorization }))

    expect(answer.status).toBe(200)
  })

  test('is accepted with an ISO date in Date and no x-oss-date', async () => {
    const { oss4DateTime: _, ...signing } = await import('../../src/signing/oss4.ts')
    const scope = { dateTime: oss4DateTime(context.now), region: 'local' }
    const request = { method: 'GET', bucket: BUCKET, key: 'a', query: [], headers: {} }
    const toSign = signing.stringToSign(scope, signing.canonicalRequest(request))
    const signature = signing.signature(signing.signingKey('secret', scope), toSign)
    const authorization = `OSS4-HMAC-SHA256 Credential=key-id/${credentialScope(scope)},Signature=${signature}`

    const answer = await context.send({
      method: 'GET',
      path: `/${BUCKET}/a`,
      headers: { authorization, date: scope.dateTime },
    })

    expect(answer).toMatchObject({ status: 404, code: 'NoSuchKey' })
  })

  test('is accepted with the RFC 1123 text of Date in the string to sign, as the Go SDK v3 has it', async () => {
    const { oss4DateTime: _, ...signing } = await import('../../src/signing/oss4.ts')
    const date = context.now.toUTCString()
    const scope = { dateTime: oss4DateTime(context.now), region: 'local' }
    const request = { method: 'GET', bucket: BUCKET, key: 'a', query: [], headers: {} }
    const toSign = signing
      .stringToSign(scope, signing.canonicalRequest(request))
      .replace(`\n${scope.dateTime}\n`, `\n${date}\n`)
    const signature = signing.signature(signing.signingKey('secret', scope), toSign)
    const authorization = `OSS4-HMAC-SHA256 Credential=key-id/${credentialScope(scope)},Signature=${signature}`
    const wire = { method: 'GET', path: `/${BUCKET}/a` }
    const later = new Date(context.now.getTime() + 1000).toUTCString()

    const right = await context.send({ ...wire, headers: { authorization, date } })
    const moved = await context.send({ ...wire, headers: { authorization, date: later } })

    expect(right).toMatchObject({ status: 404, code: 'NoSuchKey' })
    expect(moved).toMatchObject({ status: 403, code: 'SignatureDoesNotMatch' })
  })

  test('is accepted with spaces as plus signs in the query, as the Python SDK writes them', async () => {
    await context.initiate('a b')
    const signed = context.sign('GET', '', { query: { uploads: '', prefix: 'a b' } })

    const answer = await context.send(withQuery(signed, 'a%20b', 'a+b'))

    expect(answer.status).toBe(200)
    expect(answer.text).toContain('<Key>a b</Key>')
  })

  test('covers listed additional headers with the value received', async () => {
    const options = { headers: { 'content-length': '3' }, additionalHeaders: ['content-length'] }
    const request = context.sign('PUT', 'a', options)

    const right = await context.send({ ...request, body: 'abc' })
    const longer = await context.send(
      withHeaders({ ...request, body: 'abcd' }, { 'content-length': '4' }),
    )

    expect(right.status).toBe(200)
    expect(longer).toMatchObject({ status: 403, code: 'SignatureDoesNotMatch' })
  })

  test('tells what was expected, and never the secret', async () => {
    const request = context.sign('GET', 'a')
    const { authorization = '' } = request.headers!
    const answer = await context.send(
      withHeaders(request, { authorization: authorization.replace(/.$/, 'g') }),
    )

    expect(answer.code).toBe('SignatureDoesNotMatch')
    for (const name of ['OSSAccessKeyId', 'SignatureProvided', 'StringToSign', 'RequestId']) {
      expect(answer.text).toContain(`<${name}>`)
    }
    expect(answer.text).toContain('<StringToSignBytes>4F 53 53 34')
    expect(answer.text).not.toContain('secret')
    expect(answer.headers['x-oss-request-id']).toMatch(/^[0-9A-F]{24}$/)
  })

  test.each([
    ['content-type added', { 'content-type': 'text/html' }],
    ['content-md5 added', { 'content-md5': 'kAFQmDzST7DWlj99KOF/cg==' }],
    ['x-oss header added', { 'x-oss-meta-role': 'admin' }],
    ['x-oss-date changed', { 'x-oss-date': oss4DateTime(new Date(Date.now() - 60_000)) }],
  ])('is refused with %s', async (_, headers) => {
    const answer = await context.send(
      withHeaders(context.sign('PUT', 'a', { body: 'abc' }), headers),
    )

    expect(answer).toMatchObject({ status: 403, code: 'SignatureDoesNotMatch' })
  })

  test.each([
    ['another method', (request: RawRequest) => ({ ...request, method: 'DELETE' })],
    ['another key', (request: RawRequest) => withQuery(request, '/a', '/b')],
    ['a query added', (request: RawRequest) => ({ ...request, path: `${request.path}?x` })],
  ])('is refused for %s', async (_, change) => {
    const answer = await context.send(change(context.sign('GET', 'a')))

    expect(answer).toMatchObject({ status: 403, code: 'SignatureDoesNotMatch' })
  })

  test.each([
    [-901, 403],
    [-900, 404],
    [900, 404],
    [901, 403],
  ])('sent with a clock %i s off is answered %i', async (seconds, status) => {
    context.now = new Date(Math.floor(context.now.getTime() / 1000) * 1000)
    const request = context.sign('GET', 'a')
    context.advance(seconds)

    const answer = await context.send(request)

    expect(answer.status).toBe(status)
    if (status === 403) {
      expect(answer.code).toBe('RequestTimeTooSkewed')
      expect(answer.headers['x-oss-ec']).toBe('0002-00000504')
    }
  })

  test.each([
    ['another key id', 'key-id/', 'someone/', 403, 'InvalidAccessKeyId'],
    ['another region', '/local/', '/cn-hangzhou/', 400, 'InvalidArgument'],
    ['another product', '/oss/', '/ots/', 400, 'InvalidArgument'],
    ['another terminator', 'aliyun_v4_request', 'aws4_request', 400, 'InvalidArgument'],
    ['another scope date', /\/\d{8}\//, '/20200101/', 400, 'InvalidArgument'],
    ['another algorithm', 'OSS4-HMAC-SHA256', 'AWS4-HMAC-SHA256', 400, 'InvalidArgument'],
    ['a missing signature', /,Signature=.*/, '', 400, 'InvalidArgument'],
    ['a repeated field', 'Signature=', 'Signature=0,Signature=', 400, 'InvalidArgument'],
    ['signature version 2', /.*/, 'OSS2 AccessKeyId:key-id,Signature:c2ln', 400, 'InvalidArgument'],
  ])('is refused with %s', async (_, from, to, status, code) => {
    const request = context.sign('GET', 'a')
    const authorization = request.headers!.authorization!.replace(from, to)

    const answer = await context.send(withHeaders(request, { authorization }))

    expect(answer).toMatchObject({ status, code })
  })

  test('is refused without any date, with a token and with a payload hash', async () => {
    const request = context.sign('GET', 'a')
    const { 'x-oss-date': _, ...undated } = request.headers!

    expect(await context.send({ ...request, headers: undated })).toMatchObject({
      status: 403,
      code: 'AccessDenied',
    })
    expect(
      await context.call('GET', 'a', { headers: { 'x-oss-security-token': 'token' } }),
    ).toMatchObject({ status: 403, code: 'InvalidSecurityToken' })
    expect(
      await context.send(withHeaders(request, { 'x-oss-content-sha256': '0'.repeat(64) })),
    ).toMatchObject({ status: 400, code: 'InvalidArgument' })
  })
})

describe('query signature', () => {
  test.each([
    [-901, 60, 403],
    [-900, 60, 404],
    [60, 60, 404],
    [61, 60, 403],
    [604_800, 604_800, 404],
  ])('arriving after %i s with a life of %i s is answered %i', async (after, life, status) => {
    context.now = new Date(Math.floor(context.now.getTime() / 1000) * 1000)
    const request = context.sign('GET', 'a', { expiresSeconds: life })
    context.advance(after)

    const answer = await context.send(request)

    expect(answer.status).toBe(status)
    if (status === 403) expect(answer.headers['x-oss-ec']).toBe('0002-00000236')
  })

  test.each([
    [0, '0002-00000232'],
    [604_801, '0002-00000232'],
  ])('with a life of %i s is refused', async (expiresSeconds, ec) => {
    const answer = await context.call('GET', 'a', { expiresSeconds })

    expect(answer.status).toBe(403)
    expect(answer.headers['x-oss-ec']).toBe(ec)
  })

  test.each([
    ['no expiry', /x-oss-expires=60&/, '', 403, 'AccessDenied'],
    ['a longer expiry', 'x-oss-expires=60', 'x-oss-expires=600', 403, 'SignatureDoesNotMatch'],
    ['no version', /x-oss-signature-version=[^&]*&?/, '', 400, 'InvalidArgument'],
    ['no date', /x-oss-date=[^&]*&/, '', 400, 'InvalidArgument'],
    ['another part number', 'partNumber=1', 'partNumber=2', 403, 'SignatureDoesNotMatch'],
    ['a repeated name', 'partNumber=1', 'partNumber=1&partNumber=1', 400, 'InvalidArgument'],
    ['a broken escape', 'partNumber=1', 'partNumber=%1', 400, 'InvalidArgument'],
    ['another region', '%2Flocal%2F', '%2Fother%2F', 400, 'InvalidArgument'],
    ['another key id', 'key-id', 'someone', 403, 'InvalidAccessKeyId'],
    [
      'an upper-case signature',
      /x-oss-signature=.*/,
      'x-oss-signature=AB',
      403,
      'SignatureDoesNotMatch',
    ],
  ])('is refused with %s', async (_, from, to, status, code) => {
    const query = { partNumber: '1', uploadId: 'u' }
    const request = context.sign('PUT', 'a', { query, expiresSeconds: 60, body: 'x' })

    expect(await context.send(withQuery(request, from, to))).toMatchObject({ status, code })
  })

  test('is accepted whatever unsigned headers come with it, and refused with signed ones', async () => {
    const request = context.sign('PUT', 'a', { expiresSeconds: 60, body: 'x' })

    const free = await context.send(
      withHeaders(request, { 'x-app': '1', origin: 'https://a.test' }),
    )
    const typed = await context.send(withHeaders(request, { 'content-type': 'text/html' }))

    expect(free.status).toBe(200)
    expect(free.headers['access-control-allow-origin']).toBe('*')
    expect(typed).toMatchObject({ status: 403, code: 'SignatureDoesNotMatch' })
  })

  test('together with a header signature is refused', async () => {
    const byQuery = context.sign('GET', 'a', { expiresSeconds: 60 })
    const { headers } = context.sign('GET', 'a')

    const answer = await context.send(withHeaders(byQuery, headers!))

    expect(answer).toMatchObject({ status: 400, code: 'InvalidArgument' })
  })

  test('with another value of one of its names in a header is refused', async () => {
    const query = { 'x-oss-traffic-limit': '819200' }
    const headers = { 'x-oss-traffic-limit': '999999' }

    const answer = await context.call('GET', 'a', { query, headers, expiresSeconds: 60 })

    expect(answer).toMatchObject({ status: 400, code: 'InvalidArgument' })
  })

  test('binds the length where content-length is an additional header', async () => {
    const request = context.sign('PUT', 'a', {
      expiresSeconds: 60,
      headers: { 'content-length': '3' },
      additionalHeaders: ['content-length'],
    })
    const { method, path } = request

    expect((await context.send({ method, path, body: 'abc' })).status).toBe(200)
    expect((await context.send({ method, path, body: 'abcd' })).code).toBe('SignatureDoesNotMatch')
    expect(
      (
        await context.send({
          method,
          path,
          body: 'abc',
          headers: { 'transfer-encoding': 'chunked' },
        })
      ).headers['x-oss-ec'],
    ).toBe('0002-00000211')
  })
})

describe('address', () => {
  test('without a signature everything is refused, and nothing is told', async () => {
    for (const method of ['GET', 'PUT', 'POST', 'DELETE']) {
      expect(await context.send({ method, path: `/${BUCKET}/a` })).toMatchObject({
        status: 403,
        code: 'AccessDenied',
      })
    }
  })

  test('a key is the path decoded once, dot segments and all', async () => {
    const keys = ['a/../b', 'a\u0001\n', 'a/./b', 'a//b', '%2F', 'a/', 'ü +&', '\ufeffmark']
    for (const key of keys) {
      expect((await context.call('PUT', key, { body: key })).status).toBe(200)
    }

    for (const key of keys) expect((await context.call('GET', key)).text).toBe(key)
    expect((await context.call('GET', 'b')).status).toBe(404)
  })

  test('an escaped slash is a slash', async () => {
    await context.call('PUT', 'folder/file', { body: 'x' })
    const request = context.sign('GET', 'folder/file')

    const answer = await context.send(withQuery(request, 'folder/file', 'folder%2ffile'))

    expect(answer.text).toBe('x')
  })

  test('the bucket may stand in the host', async () => {
    const request = context.sign('PUT', 'a', { body: 'x' })
    const host = `${BUCKET}.oss-local.example`

    const answer = await context.send(withHeaders(withQuery(request, `/${BUCKET}/`, '/'), { host }))

    expect(answer.status).toBe(200)
    expect((await context.call('GET', 'a')).text).toBe('x')
  })

  test('another bucket is not found', async () => {
    const other = { bucket: 'other-bucket', query: [], headers: {} }
    const { signHeaders } = await import('../../src/signing/oss4.ts')
    const scope = { dateTime: oss4DateTime(context.now), region: 'local' }
    const credentials = { accessKeyId: 'key-id', secretAccessKey: 'secret' }
    const headers = signHeaders({ ...other, method: 'GET', key: 'a' }, credentials, scope)

    const answer = await context.send({ method: 'GET', path: '/other-bucket/a', headers })

    expect(answer).toMatchObject({ status: 404, code: 'NoSuchBucket' })
  })

  test.each([
    ['empty after a slash', '/x'],
    ['with a leading backslash', '\\x'],
    ['of 1024 bytes', 'ü'.repeat(512)],
  ])('a key %s is refused', async (_, key) => {
    expect(await context.call('PUT', key, { body: 'x' })).toMatchObject({
      status: 400,
      code: 'InvalidObjectName',
    })
  })

  test('the log has no signature, query or credential', async () => {
    const request = context.sign('PUT', 'a', { expiresSeconds: 60, body: 'x' })
    await context.send(request)
    await context.send(withQuery(request, /.$/, 'x'))
    await context.call('GET', 'a')

    const log = context.lines.join('\n')
    expect(log).toContain('PutObject')
    expect(log).not.toMatch(/signature=|credential|OSS4|\?|"secret"/i)
  })
})
