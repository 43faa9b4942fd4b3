// PostObject on the embedded store: signatures of both versions, every kind of condition, and refusals.
import { createHmac } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { oss4DateTime, signature, signingKey } from '../../src/signing/oss4.ts'
import { BUCKET, CREDENTIALS, useEmbeddedStore } from '../support/embedded-store.ts'

const store = useEmbeddedStore()

type Fields = Record<string, string>
const ID = 'x-oss-credential'

const base64 = (text: string) => Buffer.from(text).toString('base64')

function policyOf(conditions: unknown[], seconds = 60): string {
  const expiration = new Date(store.now.getTime() + seconds * 1000).toISOString()
  return base64(JSON.stringify({ expiration, conditions }))
}

/** Signs a form with V4. */
function form(conditions: unknown[], fields: Fields, options: { seconds?: number } = {}): Fields {
  const dateTime = oss4DateTime(store.now)
  const own = {
    'x-oss-signature-version': 'OSS4-HMAC-SHA256',
    [ID]: `${CREDENTIALS.accessKeyId}/${dateTime.slice(0, 8)}/local/oss/aliyun_v4_request`,
    'x-oss-date': dateTime,
  }
  const pairs = Object.entries(own).map(([name, value]) => ({ [name]: value }))
  const policy = policyOf([...pairs, ...conditions], options.seconds)
  const key = signingKey(CREDENTIALS.secretAccessKey, { dateTime, region: 'local' })
  return { ...fields, ...own, policy, 'x-oss-signature': signature(key, policy) }
}

function formV1(conditions: unknown[], fields: Fields, seconds?: number): Fields {
  const policy = policyOf(conditions, seconds)
  const signed = createHmac('sha1', CREDENTIALS.secretAccessKey).update(policy).digest('base64')
  return { ...fields, OSSAccessKeyId: CREDENTIALS.accessKeyId, policy, Signature: signed }
}

const BOUNDARY = 'a-boundary'
const part = (name: string, value: string) =>
  `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`
const filePart = (content: string, type = 'text/plain') =>
  `--${BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\nContent-Type: ${type}\r\n\r\n${content}\r\n`
const END = `--${BOUNDARY}--\r\n`

const send = (body: string, path = `/${BUCKET}/`, headers: Record<string, string> = {}) =>
  store.send({
    method: 'POST',
    path,
    headers: { 'content-type': `multipart/form-data; boundary=${BOUNDARY}`, ...headers },
    body,
  })

const post = (fields: Fields, content = 'hello') =>
  send(
    Object.entries(fields)
      .map(([name, value]) => part(name, value))
      .join('') +
      filePart(content) +
      END,
  )

const read = (key: string) => store.call('GET', key)
const dataFiles = () => readdir(join(store.directory, 'data'))

describe('a form', () => {
  test.each([
    ['V4', (fields: Fields) => form([{ bucket: BUCKET }], fields)],
    ['V1', (fields: Fields) => formV1([{ bucket: BUCKET }], fields)],
  ])('signed with %s stores its file', async (_, sign) => {
    const answer = await post(sign({ key: 'a/b ü', 'x-oss-meta-team': 'blue' }))

    expect(answer).toMatchObject({ status: 204, text: '' })
    expect(answer.headers.etag).toBe('"5D41402ABC4B2A76B9719D911017C592"')
    const object = await read('a/b ü')
    expect(object.text).toBe('hello')
    expect(object.headers).toMatchObject({
      'content-type': 'text/plain',
      'x-oss-meta-team': 'blue',
      'x-oss-object-type': 'Normal',
    })
  })

  test('may go to a virtual host, and to the bucket without a slash', async () => {
    const fields = (key: string) =>
      Object.entries(form([{ bucket: BUCKET }], { key }))
        .map(([name, value]) => part(name, value))
        .join('') +
      filePart('x') +
      END

    expect(await send(fields('one'), `/${BUCKET}`)).toMatchObject({ status: 204 })
    const host = `${BUCKET}.oss.test:${store.store.port}`
    expect(await send(fields('two'), '/', { host })).toMatchObject({ status: 204 })
    expect(await send(fields('three'), '/other/')).toMatchObject({ code: 'NoSuchBucket' })
  })

  test.each([
    ['200', 200, ''],
    ['204', 204, ''],
    ['418', 204, ''],
    [
      '201',
      201,
      `<Bucket>${BUCKET}</Bucket><ETag>"5D41402ABC4B2A76B9719D911017C592"</ETag><Key>k</Key>`,
    ],
  ])('that asks for success %s is answered with %i', async (asked, status, text) => {
    const answer = await post(
      form([{ bucket: BUCKET }], { key: 'k', success_action_status: asked }),
    )

    expect(answer.status).toBe(status)
    expect(answer.text).toContain(text)
  })

  test('may write field names in any case, and takes its type from x-oss-content-type first', async () => {
    const conditions = [
      ['eq', '$Key', 'k'],
      ['starts-with', '$CONTENT-type', 'image/'],
    ]
    const fields = { KEY: 'k', 'content-TYPE': 'image/png', 'X-OSS-Content-Type': 'image/webp' }

    expect(await post(form(conditions, fields))).toMatchObject({ status: 204 })
    expect((await read('k')).headers['content-type']).toBe('image/webp')
  })

  test('ignores fields after the file', async () => {
    const fields = form([{ bucket: BUCKET }], { key: 'k' })
    const body =
      Object.entries(fields)
        .map(([name, value]) => part(name, value))
        .join('') +
      filePart('hello') +
      part('x-oss-meta-late', 'yes') +
      filePart('second') +
      END

    expect(await send(body)).toMatchObject({ status: 204 })
    const object = await read('k')
    expect(object.text).toBe('hello')
    expect(object.headers).not.toHaveProperty('x-oss-meta-late')
  })
})

describe('a condition', () => {
  const ok = { status: 204 }
  const no = { status: 403, code: 'AccessDenied' }
  test.each([
    ['an equal pair', [{ 'x-oss-meta-a': '1' }], { 'x-oss-meta-a': '1' }, ok],
    ['an unequal pair', [{ 'x-oss-meta-a': '1' }], { 'x-oss-meta-a': '2' }, no],
    ['eq without the field', [['eq', '$x-oss-meta-a', '1']], {}, no],
    ['starts-with', [['starts-with', '$key', 'k']], {}, ok],
    ['starts-with another', [['starts-with', '$key', 'x']], {}, no],
    ['in', [['in', '$content-type', ['a/b', 'c/d']]], { 'content-type': 'c/d' }, ok],
    ['in, not there', [['in', '$content-type', ['a/b']]], { 'content-type': 'c/d' }, no],
    ['eq on the type of the file’s own part', [['eq', '$content-type', 'text/plain']], {}, ok],
    ['eq on another type than the file’s', [['eq', '$content-type', 'a/b']], {}, no],
    ['in, without the field', [['in', '$content-type', ['a/b']]], {}, no],
    ['not-in', [['not-in', '$cache-control', ['no-cache']]], { 'cache-control': 'public' }, ok],
    [
      'not-in, there',
      [['not-in', '$cache-control', ['no-cache']]],
      { 'cache-control': 'no-cache' },
      no,
    ],
    ['another bucket', [{ bucket: 'other' }], {}, no],
  ])('%s', async (_, conditions, fields, expected) => {
    const answer = await post(form(conditions, { key: 'k', ...fields }))

    expect(answer).toMatchObject(expected)
    if (expected === no) {
      expect(answer.text).toContain('Invalid according to Policy')
      expect(await dataFiles()).toEqual([])
    }
  })

  test.each([
    [4, 'EntityTooSmall'],
    [5, undefined],
    [9, undefined],
    [10, 'EntityTooLarge'],
  ])('of size lets a file of %i bytes be %s', async (size, code) => {
    const conditions = [['content-length-range', 5, 9], { bucket: BUCKET }]
    const answer = await post(form(conditions, { key: 'k' }), 'x'.repeat(size))

    expect(answer.code).toBe(code)
    expect(await dataFiles()).toHaveLength(code ? 0 : 1)
  })

  test('of size ends a large body early, and the client can still read the reason', async () => {
    const conditions = [['content-length-range', 0, 10]]
    const answer = await post(form(conditions, { key: 'k' }), 'x'.repeat(20 * 1024 * 1024))

    expect(answer).toMatchObject({ status: 400, code: 'EntityTooLarge' })
    expect(await dataFiles()).toEqual([])
  })
})

describe('a form is refused', () => {
  test('without a policy and its signature', async () => {
    expect(await post({ key: 'k' })).toMatchObject({ status: 403, code: 'AccessDenied' })
    const { policy: _, ...rest } = formV1([{ bucket: BUCKET }], { key: 'k' })
    expect(await post(rest)).toMatchObject({ status: 400, code: 'InvalidArgument' })
    const { [ID]: __, ...v4 } = form([{ bucket: BUCKET }], { key: 'k' })
    expect(await post(v4)).toMatchObject({ status: 400, code: 'InvalidArgument' })
  })

  test('with a signature over another policy, or by another key', async () => {
    const fields = form([{ bucket: BUCKET }], { key: 'k' })
    const policy = policyOf([{ bucket: BUCKET }], 120)

    expect(await post({ ...fields, policy })).toMatchObject({ code: 'SignatureDoesNotMatch' })
    const v1 = formV1([{ bucket: BUCKET }], { key: 'k' })
    expect(await post({ ...v1, Signature: 'x' })).toMatchObject({ code: 'SignatureDoesNotMatch' })
    expect(await post({ ...v1, OSSAccessKeyId: 'other' })).toMatchObject({
      code: 'InvalidAccessKeyId',
    })
  })

  test('when its policy has expired, or its date is too old or too new', async () => {
    const fields = form([{ bucket: BUCKET }], { key: 'k' })
    store.advance(61)
    expect(await post(fields)).toMatchObject({ status: 403, code: 'AccessDenied' })
    const long = form([{ bucket: BUCKET }], { key: 'k' }, { seconds: 30 * 86_400 })
    store.advance(7 * 86_400 + 1)
    expect(await post(long)).toMatchObject({ status: 403, code: 'AccessDenied' })
    const early = form([{ bucket: BUCKET }], { key: 'k' }, { seconds: 3600 })
    store.advance(-16 * 60)
    expect(await post(early)).toMatchObject({ status: 403, code: 'AccessDenied' })
  })

  test('when its policy lacks the signer’s fields as conditions', async () => {
    const fields = form([], { key: 'k' })
    const policy = policyOf([{ bucket: BUCKET }])
    const key = signingKey(CREDENTIALS.secretAccessKey, {
      dateTime: fields['x-oss-date']!,
      region: 'local',
    })

    expect(
      await post({ ...fields, policy, 'x-oss-signature': signature(key, policy) }),
    ).toMatchObject({ status: 403, code: 'AccessDenied' })
  })

  test.each([
    ['no JSON', base64('nonsense')],
    ['no base64', '%%%'],
    ['no conditions', base64('{"expiration":"2099-01-01T00:00:00.000Z","conditions":[]}')],
    ['no time', base64('{"expiration":"soon","conditions":[{"a":"b"}]}')],
    [
      'an unknown operator',
      base64('{"expiration":"2099-01-01T00:00:00Z","conditions":[["lt","$key","a"]]}'),
    ],
    [
      'a bad range',
      base64('{"expiration":"2099-01-01T00:00:00Z","conditions":[["content-length-range",9,5]]}'),
    ],
  ])('with a policy of %s', async (_, policy) => {
    const signed = createHmac('sha1', CREDENTIALS.secretAccessKey).update(policy).digest('base64')
    const { accessKeyId } = CREDENTIALS

    expect(
      await post({ key: 'k', OSSAccessKeyId: accessKeyId, policy, Signature: signed }),
    ).toMatchObject({ status: 400, code: 'InvalidPolicyDocument' })
  })

  test('without a key, with a key that OSS does not allow, or without a file', async () => {
    expect(await post(form([{ bucket: BUCKET }], {}))).toMatchObject({ code: 'InvalidArgument' })
    expect(await post(form([{ bucket: BUCKET }], { key: '/k' }))).toMatchObject({
      code: 'InvalidObjectName',
    })
    const fields = Object.entries(form([{ bucket: BUCKET }], { key: 'k' }))
    const body = fields.map(([name, value]) => part(name, value)).join('') + END
    expect(await send(body)).toMatchObject({ code: 'IncorrectNumberOfFilesInPOSTRequest' })
  })

  test('when it is cut, repeats a field or has a field that is too long', async () => {
    const fields = form([{ bucket: BUCKET }], { key: 'k' })
    const parts = Object.entries(fields)
      .map(([name, value]) => part(name, value))
      .join('')

    expect(await send(`${parts}${filePart('hello')}`)).toMatchObject({ code: 'IncompleteBody' })
    expect(await send(`${parts}${filePart('hello').slice(0, -4)}`)).toMatchObject({
      code: 'IncompleteBody',
    })
    for (const content of ['x', 'x'.repeat(5_000_000)]) {
      expect(await send(parts + part('key', 'other') + filePart(content) + END)).toMatchObject({
        code: 'InvalidArgument',
      })
    }
    expect(
      await send(parts + part('x-oss-meta-a', 'x'.repeat(70_000)) + filePart('x') + END),
    ).toMatchObject({ code: 'FieldItemTooLong' })
    expect(
      await send(part('a', 'b'), `/${BUCKET}/`, { 'content-type': 'multipart/form-data; x' }),
    ).toMatchObject({ status: 400 })
    expect((await read('k')).status).toBe(404)
    expect(await dataFiles()).toEqual([])
  })

  test('with more than 8 KB of metadata, a redirect, or over an object that it may not overwrite', async () => {
    const big = { 'x-oss-meta-a': 'x'.repeat(5000), 'x-oss-meta-b': 'x'.repeat(5000) }
    expect(await post(form([{ bucket: BUCKET }], { key: 'k', ...big }))).toMatchObject({
      code: 'InvalidArgument',
    })
    const redirect = { success_action_redirect: 'https://a.example/' }
    expect(await post(form([{ bucket: BUCKET }], { key: 'k', ...redirect }))).toMatchObject({
      code: 'NotImplemented',
    })
    const only = { 'x-oss-forbid-overwrite': 'true' }
    expect(await post(form([{ bucket: BUCKET }], { key: 'k', ...only }))).toMatchObject({
      status: 204,
    })
    expect(await post(form([{ bucket: BUCKET }], { key: 'k', ...only }))).toMatchObject({
      status: 409,
      code: 'FileAlreadyExists',
    })
  })
})

describe('the callback of a form', () => {
  const fields = (callback: object) => ({
    key: 'k',
    callback: base64(JSON.stringify(callback)),
    'x:a': 'one & two',
  })
  const named = (callback: object) => {
    const given = fields(callback)
    return form([['eq', '$callback', given.callback]], given)
  }

  test('is sent with its variables, and its answer relayed', async () => {
    let body = ''
    store.fetch = async (_, init) => {
      body = Buffer.from(init!.body as Uint8Array).toString()
      return new Response('{"ok":true}', { headers: { 'content-length': '11' } })
    }
    await store.restart()

    const answer = await post(
      named({
        callbackUrl: 'http://localhost/',
        callbackBody: 'key=${object}&a=${x:a}&size=${size}&op=${operation}',
      }),
    )

    expect(answer).toMatchObject({ status: 200, text: '{"ok":true}' })
    expect(body).toBe('key=k&a=one%20%26%20two&size=5&op=PostObject')
  })

  test('that fails is answered with 203, and the object stays', async () => {
    store.fetch = () => Promise.reject(new TypeError('no'))
    await store.restart()

    const answer = await post(named({ callbackUrl: 'http://localhost/', callbackBody: 'a' }))

    expect(answer).toMatchObject({ status: 203, code: 'CallbackFailed' })
    expect((await read('k')).text).toBe('hello')
  })

  test.each([
    ['no condition', []],
    ['a condition that any callback meets', [['starts-with', '$callback', '']]],
    ['a condition on another', [['eq', '$callback', base64('{}')]]],
  ])('that its policy does not name is refused: %s', async (_, conditions) => {
    let calls = 0
    store.fetch = async () => {
      calls++
      return new Response('{}', { headers: { 'content-length': '2' } })
    }
    await store.restart()
    const added = fields({ callbackUrl: 'http://localhost/', callbackBody: 'a' })

    const answer = await post(form([{ bucket: BUCKET }, ...conditions], added))

    expect(answer).toMatchObject({ status: 403, code: 'AccessDenied' })
    expect([calls, await dataFiles()]).toEqual([0, []])
  })

  test('that its policy names is refused if it goes to another host', async () => {
    const answer = await post(named({ callbackUrl: 'http://10.0.0.1/', callbackBody: 'a' }))

    expect(answer).toMatchObject({ status: 403, code: 'AccessDenied' })
    expect(await dataFiles()).toEqual([])
  })
})
