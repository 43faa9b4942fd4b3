// Inbound callbacks of OSS against published samples and captures, every key URL case, and what a forger would send.
import { createHash, generateKeyPairSync, sign } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { base64, fromBase64, fromUtf8, hex, utf8 } from '../../src/bytes/encoding.ts'
import type { RawRequest } from '../../src/core/ports/object-store.ts'
import {
  callbackKeyUrlAllowed,
  callbackStringToSign,
  OSS_CALLBACK_PUBLIC_KEY,
  parseCallbackBody,
  readOssCallback,
  verifyOssCallback,
} from '../../src/storage/oss/callback.ts'
import vectors from '../vectors/oss-callback.json' with { type: 'json' }

type Vector = (typeof vectors.vectors)[number]

const keys = vectors.public_keys
const genuine = vectors.vectors.find(({ id }) => id === 'cb-official-doc-query-form')!
const genuineJson = vectors.vectors.find(({ id }) => id === 'cb-cloudreve-json')!

function requestOf({ request }: Vector, changes: Partial<RawRequest> = {}): RawRequest {
  return {
    method: request.method,
    rawPath: request.path,
    rawQuery: request.query,
    headers: new Headers(Object.entries(request.headers)),
    body: utf8(request.body),
    ...changes,
  }
}

/** The genuine request with one header set, or removed where the value is undefined. */
function withHeader(name: string, value: string | undefined): RawRequest {
  const request = requestOf(genuine)
  if (value === undefined) request.headers.delete(name)
  else request.headers.set(name, value)
  return request
}

const md5 = (bytes: Uint8Array, encoding: 'hex' | 'base64') =>
  createHash('md5').update(bytes).digest(encoding)

const encoded = (text: string) => base64(utf8(text))

describe('verifyOssCallback', () => {
  it.each(vectors.vectors)('$id', (vector) => {
    const ownKey = vector.public_key_pem_ref === 'alphasnow_test'
    const embeddedKeyPem = ownKey ? keys.alphasnow_test.pem : undefined

    expect(verifyOssCallback(requestOf(vector), embeddedKeyPem)).toBe(
      vector.expected.signature_valid,
    )
  })

  it('never believes a key that only the request names', () => {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 1024 })
    const request = requestOf(genuine)
    const signature = sign('md5', callbackStringToSign(request)!, privateKey)
    request.headers.set('authorization', signature.toString('base64'))
    const embeddedKeyPem = publicKey.export({ type: 'spki', format: 'pem' }).toString()

    expect(verifyOssCallback(request)).toBe(false)
    request.headers.set('x-oss-pub-key-url', encoded('https://evil.example/key.pem'))
    expect(verifyOssCallback(request)).toBe(false)
    expect(verifyOssCallback(request, embeddedKeyPem)).toBe(true)
    request.headers.delete('x-oss-pub-key-url')
    expect(verifyOssCallback(request, embeddedKeyPem)).toBe(true)
  })

  it('does not believe the published key where the store is the embedded one', () => {
    const embeddedKeyPem = keys.alphasnow_test.pem

    expect(verifyOssCallback(requestOf(genuine), embeddedKeyPem)).toBe(false)
  })

  it.each([
    ['missing', undefined],
    ['empty', ''],
    ['not base64', '!!!'],
    ['behind a scheme', `OSS ${genuine.request.headers.authorization}`],
    ['in base64url', genuine.request.headers.authorization.replaceAll('+', '-')],
    ['without its padding', genuine.request.headers.authorization.replaceAll('=', '')],
    ['given twice', Array(2).fill(genuine.request.headers.authorization).join(', ')],
    ['spelt with loose last bits', genuine.request.headers.authorization.replace('xA==', 'xB==')],
  ])('refuses a signature that is %s', (_, value) => {
    expect(verifyOssCallback(withHeader('authorization', value))).toBe(false)
  })

  it.each([
    ['1.0', true],
    [undefined, true],
    ['2.0', false],
    ['', false],
    ['1', false],
    ['1.0, 1.0', false],
  ])('signature version %j: %s', (version, accepted) => {
    const request = withHeader('x-oss-signature-version', version)

    expect(verifyOssCallback(request)).toBe(accepted)
  })

  it.each(
    vectors.pub_key_url_cases.cases.filter(({ header_value }) => !/[^ -~]/.test(header_value)),
  )('key URL $decoded_url in $header_value: $accept', ({ header_value, accept }) => {
    const request = withHeader('x-oss-pub-key-url', header_value)

    expect(verifyOssCallback(request)).toBe(accept)
  })

  it('refuses a callback without a key URL', () => {
    expect(verifyOssCallback(withHeader('x-oss-pub-key-url', undefined))).toBe(false)
  })

  it.each<[string, Partial<RawRequest>]>([
    ['another method', { method: 'PUT' }],
    ['another path', { rawPath: '/index.php/' }],
    ['a stripped path', { rawPath: '/' }],
    ['malformed percent-encoding', { rawPath: '/index%2' }],
    ['a query in another order', { rawQuery: '?index=2&id=1' }],
    ['a query that is decoded or encoded anew', { rawQuery: '?%69d=1&index=2' }],
    ['a query without its mark', { rawQuery: 'id=1&index=2' }],
    ['another body', { body: utf8('bucket=yonghu-tesT') }],
    ['a body with a line break more', { body: utf8('bucket=yonghu-test\n') }],
    ['an empty body', { body: new Uint8Array() }],
  ])('refuses %s', (_, changes) => {
    expect(verifyOssCallback(requestOf(genuine, changes))).toBe(false)
  })
})

describe('OSS_CALLBACK_PUBLIC_KEY', () => {
  it('is the published key', () => {
    expect(OSS_CALLBACK_PUBLIC_KEY).toBe(keys.gosspublic_v1.pem)
  })
})

describe('callbackStringToSign', () => {
  it.each(vectors.vectors)('$id', (vector) => {
    const { string_to_sign, string_to_sign_md5_hex, body_md5_base64 } = vector.expected

    const signed = callbackStringToSign(requestOf(vector))!

    expect(fromUtf8(signed)).toBe(string_to_sign)
    expect(md5(signed, 'hex')).toBe(string_to_sign_md5_hex)
    expect(md5(utf8(vector.request.body), 'base64')).toBe(body_md5_base64)
  })

  it.each([
    ['/a%20b', '', '2f6120620a'],
    ['/a+b', '?c+d', '2f612b623f632b640a'],
    ['/%ff%00', '', '2fff000a'],
    ['/%e4%BD%a0', '', '2fe4bda00a'],
    ['/你', '', '2fe4bda00a'],
    ['/%2541', '', '2f2534310a'],
    ['/', '?', '2f3f0a'],
    ['/', '?a=%zz', '2f3f613d257a7a0a'],
  ])('%j and %j', (rawPath, rawQuery, expected) => {
    const request = requestOf(genuine, { rawPath, rawQuery, body: new Uint8Array() })

    expect(hex(callbackStringToSign(request)!)).toBe(expected)
  })

  it.each(['/%', '/%2', '/%zz', '/a%2g', '/%%20', '/%+1'])(
    'has none for the path %j',
    (rawPath) => {
      expect(callbackStringToSign(requestOf(genuine, { rawPath }))).toBeUndefined()
    },
  )

  it('keeps a body that is not text', () => {
    const body = Uint8Array.of(0xff, 0x00, 0x0a)

    expect(hex(callbackStringToSign(requestOf(genuine, { body }))!.slice(-4))).toBe('0aff000a')
  })
})

describe('callbackKeyUrlAllowed', () => {
  it.each(vectors.pub_key_url_cases.cases)(
    '$decoded_url in $header_value: $accept',
    ({ header_value, accept }) => {
      expect(callbackKeyUrlAllowed(header_value)).toBe(accept)
    },
  )

  it.each(keys.gosspublic_v1.urls)('accepts %s', (url) => {
    expect(callbackKeyUrlAllowed(encoded(url))).toBe(true)
  })

  it('refuses a missing header', () => {
    expect(callbackKeyUrlAllowed(null)).toBe(false)
  })

  it.each([
    'https://gosspublic.alicdn.com:8443/callback_pub_key_v1.pem',
    'https://user@gosspublic.alicdn.com/callback_pub_key_v1.pem',
    'https://:pass@gosspublic.alicdn.com/callback_pub_key_v1.pem',
    'https://gosspublic.alicdn.com./callback_pub_key_v1.pem',
    'https://gosspublic.alicdn.com/callback_pub_key_v1.pem?x=1',
    'https://gosspublic.alicdn.com/callback_pub_key_v1.pem#x',
    'https://gosspublic.alicdn.com/callback_pub_key_v1.pem/',
    'https://gosspublic.alicdn.com/Callback_pub_key_v1.pem',
    'https://gosspublic.alicdn.com/callback_pub_key_v2.pem',
    'https://gosspublic.alicdn.com/%63allback_pub_key_v1.pem',
    'https://gosspublic.alicdn.com/x/callback_pub_key_v1.pem',
    'https://www.gosspublic.alicdn.com/callback_pub_key_v1.pem',
    'https://xgosspublic.alicdn.com/callback_pub_key_v1.pem',
    'javascript://gosspublic.alicdn.com/callback_pub_key_v1.pem',
    'file://gosspublic.alicdn.com/callback_pub_key_v1.pem',
  ])('refuses %s', (url) => {
    expect(callbackKeyUrlAllowed(encoded(url))).toBe(false)
  })

  it('refuses bytes that are not UTF-8, and base64 that is not canonical', () => {
    expect(callbackKeyUrlAllowed(base64(Uint8Array.of(0xff, 0xfe)))).toBe(false)
    const accepted = encoded('http://gosspublic.alicdn.com/callback_pub_key_v1.pem')
    expect(callbackKeyUrlAllowed(accepted)).toBe(true)
    expect(callbackKeyUrlAllowed(accepted.replace('bQ==', 'bR=='))).toBe(false)
    expect(callbackKeyUrlAllowed(` ${accepted}`)).toBe(false)
  })
})

const JSON_TYPE = 'application/json'
const FORM_TYPE = 'application/x-www-form-urlencoded'

describe('parseCallbackBody', () => {
  it('reads the JSON of a capture', () => {
    expect({ ...parseCallbackBody(JSON_TYPE, utf8(genuineJson.request.body)) }).toEqual({
      name: '2f7b2ccf30e9270ea920f1ab8a4037a546a2f0d5.jpg',
      source_name: '1/1_hFRtDLgM_2f7b2ccf30e9270ea920f1ab8a4037a546a2f0d5.jpg',
      size: '114020',
      pic_info: '810,539',
    })
  })

  it('reads the form of a capture', () => {
    const vector = vectors.vectors.find(({ id }) => id === 'cb-alphasnow-own-key')!

    expect({ ...parseCallbackBody(FORM_TYPE, utf8(vector.request.body)) }).toEqual({
      filename: 'upload/file.zip',
      size: '157',
      mimeType: 'application/x-zip-compressed',
      height: '',
      width: '',
    })
  })

  it.each(vectors.callback_param_encoding.cases)(
    'agrees with the parameter encoding of the SDK: $id',
    ({ fields, base64: parameters }) => {
      const text = JSON.stringify(fields)

      expect(encoded(text)).toBe(parameters)
      expect(fromUtf8(fromBase64(parameters)!)).toBe(text)
    },
  )

  it.each([
    ['{}', {}],
    [' {\n "a" : "b" , "c":1 } ', { a: 'b', c: '1' }],
    ['{"crc64":11051210869376104954}', { crc64: '11051210869376104954' }],
    ['{"a":-0.5,"b":1e3}', { a: '-0.5', b: '1e3' }],
    ['{"a":"\\"},{\\\\","b":"\\u4f60"}', { a: '"},{\\', b: '你' }],
    ['{"a":"x:1,}","b":""}', { a: 'x:1,}', b: '' }],
    ['\ufeff{"a":"b"}', { a: 'b' }],
    ['{"\\u0061":"b"}', { a: 'b' }],
  ])('JSON %j', (text, expected) => {
    expect({ ...parseCallbackBody(JSON_TYPE, utf8(text)) }).toEqual(expected)
  })

  it.each([
    '',
    '{',
    '{"a":}',
    '{"a":1,}',
    '{"a":"b"} x',
    '[]',
    '["a"]',
    'null',
    '"a"',
    '1',
    '{"a":null}',
    '{"a":true}',
    '{"a":[]}',
    '{"a":{}}',
    '{"a":{"b":"c"}}',
    '{"a":"b","a":"c"}',
    '{"a":"b","\\u0061":"c"}',
    '{"__proto__":1,"__proto__":2}',
    '{"":"b"}',
    '{"a":"\\u0000"}',
    '{"a":"\\ud800"}',
    '{"\\udc00":"a"}',
    `{"a":${'['.repeat(20_000)}${']'.repeat(20_000)}}`,
  ])('refuses the JSON %#', (text) => {
    expect(parseCallbackBody(JSON_TYPE, utf8(text))).toBeUndefined()
  })

  it.each([
    ['', {}],
    ['a=b', { a: 'b' }],
    ['a=b+c%2Bd%20e', { a: 'b c+d e' }],
    ['a=b=c&d', { a: 'b=c', d: '' }],
    ['%E4%BD%A0=1', { 你: '1' }],
  ])('form %j', (text, expected) => {
    expect({ ...parseCallbackBody(FORM_TYPE, utf8(text)) }).toEqual(expected)
  })

  it.each(['a=%', 'a=%zz', 'a=%ff', 'a=1&a=2', 'a=1&%61=2', 'a=1&', '&a=1', '=1', 'a=%00'])(
    'refuses the form %j',
    (text) => {
      expect(parseCallbackBody(FORM_TYPE, utf8(text))).toBeUndefined()
    },
  )

  it.each(['Application/JSON', 'application/json; charset=utf-8', ' application/json ;x'])(
    'reads the media type %j as JSON',
    (type) => {
      expect({ ...parseCallbackBody(type, utf8('{"a":"b"}')) }).toEqual({ a: 'b' })
    },
  )

  it.each([null, '', 'text/plain', 'application/jsonp', 'application/xml', 'constructor'])(
    'refuses the media type %j',
    (type) => {
      expect(parseCallbackBody(type, utf8('{"a":"b"}'))).toBeUndefined()
    },
  )

  it.each([
    [JSON_TYPE, '{"__proto__":"x","constructor":"y","toString":"z"}'],
    [FORM_TYPE, '__proto__=x&constructor=y&toString=z'],
  ])('%s: names of Object.prototype are names like others', (type, text) => {
    const fields = parseCallbackBody(type, utf8(text))!

    expect(Object.getPrototypeOf(fields)).toBeNull()
    expect(Object.entries(fields)).toEqual([
      ['__proto__', 'x'],
      ['constructor', 'y'],
      ['toString', 'z'],
    ])
    expect(Object.hasOwn(Object.prototype, 'x')).toBe(false)
  })

  it('refuses bytes that are not UTF-8', () => {
    const bytes = Uint8Array.of(...utf8('{"a":"'), 0xff, ...utf8('"}'))

    expect(parseCallbackBody(JSON_TYPE, bytes)).toBeUndefined()
  })

  it('takes 64 KiB and not one byte more', () => {
    const json = (size: number) => utf8(`{"a":"${'x'.repeat(size - 8)}"}`)

    expect(parseCallbackBody(JSON_TYPE, json(65_536))?.a).toHaveLength(65_528)
    expect(parseCallbackBody(JSON_TYPE, json(65_537))).toBeUndefined()
    expect(parseCallbackBody(FORM_TYPE, utf8(`a=${'x'.repeat(65_535)}`))).toBeUndefined()
  })
})

it('readOssCallback says in our words what was reported, and nothing of what is not readable', () => {
  const read = (body: object) =>
    readOssCallback({
      headers: new Headers({ 'content-type': JSON_TYPE }),
      body: utf8(JSON.stringify(body)),
    })
  const fields = { bucket: 'b', object: 'k', etag: 'E', reqId: 'r', token: 't' }

  expect(read({ ...fields, size: 12 })).toEqual({
    bucket: 'b',
    key: 'k',
    etag: 'E',
    requestId: 'r',
    token: 't',
    sizeBytes: 12,
  })
  for (const size of ['x', '', -1, 1.5])
    expect(read({ ...fields, size })?.sizeBytes).toBeUndefined()
  expect(read({ nested: {} })).toBeUndefined()
})
