// Each source against published layouts and made vectors: what it verifies, which keys it reads, and what it refuses before
// it fetches anything.
import { describe, expect, it } from 'vitest'
import { utf8 } from '../../src/bytes/encoding.ts'
import type { ObjectHint } from '../../src/core/ports/notifications.ts'
import { certificates } from '../../src/storage/notifications/certificates.ts'
import { eventBridgeCertificateUrl } from '../../src/storage/notifications/eventbridge.ts'
import { mnsCertificateUrl, mnsStringToSign } from '../../src/storage/notifications/mns.ts'
import { FORM_ENCODED } from '../../src/storage/notifications/records.ts'
import type { NotificationSettings } from '../../src/storage/notifications/settings.ts'
import { snsCertificateUrl, snsStringToSign } from '../../src/storage/notifications/sns.ts'
import { openSources } from '../../src/storage/notifications/sources.ts'
import {
  CERTIFICATE,
  eventBridgeRequest,
  mnsPush,
  type SentRequest,
  snsMessage,
  TOPIC,
} from '../support/signing-sender.ts'
import events from '../vectors/s3-events.json' with { type: 'json' }
import messages from '../vectors/s3-sns-messages.json' with { type: 'json' }

const SECRET = 'a-secret-of-this-store-only'
const BASE = 'https://uploads.example.com'
const PATH = '/v1/callbacks/default'
const NOW = new Date('2026-06-01T12:00:00.000Z')

interface World {
  now?: Date
  certificate?: string
  /** Query of the URL that is called. */
  query?: string
}

/** What the source says of the request, and which URLs it fetched. */
async function receive(
  settings: NotificationSettings[number],
  { body, headers }: SentRequest,
  { now = NOW, certificate = CERTIFICATE, query = '' }: World = {},
) {
  const fetched: string[] = []
  const open = openSources({
    clock: () => now,
    fetch: async (input) => {
      fetched.push(String(input))
      return new Response(certificate)
    },
  })
  const [source] = open([settings])
  const hints = await source!.receive?.({
    urls: [BASE + PATH + query],
    rawQuery: query,
    headers: new Headers(headers),
    body: utf8(body),
  })
  return { hints, fetched }
}

const keysOf = (hints: readonly ObjectHint[] | undefined) => hints?.flatMap(({ keys }) => keys)

type EventCase = (typeof events.cases)[number] & { body: any; expect: Record<string, any> }
const eventNamed = (part: string) =>
  (events.cases as EventCase[]).find(({ name }) => name.includes(part))!

describe('a key', () => {
  it.each(events.url_encoded_key_decoding.cases)('$event_key is $object_key', (given) => {
    expect(FORM_ENCODED(given.event_key)).toEqual([given.object_key])
  })

  it('that is malformed gives none', () => {
    expect(FORM_ENCODED('a%zz')).toEqual([undefined])
  })
})

describe('a record', () => {
  const json = (value: unknown, headers: Record<string, string> = {}): SentRequest => ({
    body: JSON.stringify(value),
    headers,
  })

  it('of MinIO is form-encoded and proved by the token', async () => {
    const { body, expect: expected } = eventNamed('minio webhook')
    const settings = { source: 'minio', token: SECRET } as const

    const right = await receive(settings, json(body, { authorization: `Bearer ${SECRET}` }))
    const wrong = await receive(settings, json(body, { authorization: `Bearer ${SECRET}x` }))
    const bare = await receive(settings, json(body, { authorization: SECRET }))

    expect(right.hints).toEqual([
      {
        id: '16D0C2D4E5F60718:13F1A0B5C6D7E8F9',
        keys: [expected.key],
        bucket: expected.bucket,
        kind: 'completed',
      },
    ])
    expect([wrong.hints, bare.hints]).toEqual([undefined, undefined])
  })

  it('of MinIO with a token of two words is proved by exactly these', async () => {
    const settings = { source: 'minio', token: `Basic ${SECRET}` } as const
    const { body } = eventNamed('minio webhook')

    const right = await receive(settings, json(body, { authorization: `Basic ${SECRET}` }))

    expect(right.hints).toHaveLength(1)
  })

  it('of Ceph is raw, or else form-encoded, and proved by opaque data or the URL', async () => {
    const { body, expect: expected } = eventNamed('ceph rgw http push')
    const settings = { source: 'ceph', secret: SECRET } as const
    const [record] = body.Records
    const own = { Records: [{ ...record, opaqueData: SECRET }] }

    const inData = await receive(settings, json(own))
    const inUrl = await receive(settings, json(body), { query: `?secret=${SECRET}` })
    const mixed = await receive(settings, json({ Records: [...own.Records, record] }))
    const empty = await receive(settings, json({ Records: [] }))

    expect(inData.hints).toMatchObject([
      { keys: [expected.key, 'big file ü.bin'], kind: 'completed' },
    ])
    expect(inUrl.hints).toEqual(inData.hints)
    expect([mixed.hints, empty.hints]).toEqual([undefined, undefined])
  })

  it('of Ceph that an initiate raises as well is no completion', async () => {
    const { body } = eventNamed('also fires at initiate')

    const { hints } = await receive({ source: 'ceph', secret: SECRET }, json(body), {
      query: `?secret=${SECRET}`,
    })

    expect(hints).toMatchObject([{ kind: 'unfinished' }])
  })

  it.each([
    ['of another major version', { eventVersion: '3.0' }],
    ['of a removal', { eventName: 's3:ObjectRemoved:Delete' }],
    ['without an object', { s3: {} }],
    ['that is a text', 'ObjectCreated:Put'],
  ])('%s is verified and ignored', async (_, change) => {
    const [record] = eventNamed('minio webhook').body.Records
    const changed = typeof change === 'string' ? change : { ...record, ...change }

    const { hints } = await receive(
      { source: 'minio', token: SECRET },
      json({ Records: [changed] }, { authorization: `Bearer ${SECRET}` }),
    )

    expect(hints).toEqual([])
  })

  it('of R2 comes by its queue only', async () => {
    const [source] = openSources({ fetch, clock: () => NOW })([{ source: 'r2' }])
    const { body, expect: expected } = eventNamed('r2 event')

    expect(source!.receive).toBeUndefined()
    expect(source!.readMessage!(body)).toEqual({
      id: 'b2add96cc9702bbf4efb0ccdfc6b7747-3:2024-05-24T19:36:44.379Z',
      keys: [expected.key],
      bucket: expected.bucket,
      kind: 'completed',
    })
    expect(source!.readMessage!({ ...body, action: 'DeleteObject' })).toBeUndefined()
    expect(source!.readMessage!('deliver')).toBeUndefined()
  })
})

describe('the generic source', () => {
  const settings = { source: 'generic', secret: SECRET } as const
  const post = (body: string, headers: Record<string, string>) =>
    receive(settings, { body, headers })
  const authorization = `Bearer ${SECRET}`

  /** What a sender's own transform makes of its event (docs/callbacks.md). */
  const transformed: Array<[string, (body: any) => unknown]> = [
    [
      'aws-eventbridge',
      ({ id, detail }) => ({ id, key: detail.object.key, bucket: detail.bucket.name }),
    ],
    ['gcs pubsub', ({ message }) => ({ id: message.messageId, key: message.attributes.objectId })],
    ['blob created', ([{ id, subject }]) => ({ id, key: subject.replace(/^.*?\/blobs\//, '') })],
  ]

  it.each(transformed)('takes what a transform makes of %s', async (name, transform) => {
    const { body, expect: expected } = eventNamed(name)

    const { hints } = await post(JSON.stringify(transform(body)), { authorization })

    expect(keysOf(hints)).toEqual([expected.key])
    expect(hints).toMatchObject([{ kind: 'completed' }])
  })

  it('reads the secret from either header, and no other secret', async () => {
    const body = '{"key":"k"}'

    const own = await post(body, { 'x-countersign-secret': SECRET })
    const wrong = await post(body, { 'x-countersign-secret': `${SECRET}x`, authorization })
    const none = await post(body, {})

    expect(own.hints).toHaveLength(1)
    expect([wrong.hints, none.hints]).toEqual([undefined, undefined])
  })

  it('ids equal events equally, and takes a list', async () => {
    const body = '[{"key":"a"},{"key":"a"},{"key":"b","unfinished":true},{"no":"key"}]'

    const { hints } = await post(body, { authorization })

    expect(keysOf(hints)).toEqual(['a', 'a', 'b'])
    expect(hints![0]!.id).toBe(hints![1]!.id)
    expect(hints![2]!.id).not.toBe(hints![0]!.id)
    expect(hints![2]!.kind).toBe('unfinished')
  })

  it.each([
    '',
    'nonsense',
    '\u0000',
    '{"key":1}',
    '{"key":""}',
    `{"key":"${'k'.repeat(1025)}"}`,
    '{"key":"\\u0000"}',
  ])('ignores %j', async (body) => {
    expect((await post(body, { authorization })).hints).toEqual([])
  })
})

describe('SNS', () => {
  const settings = { source: 'sns', topicArn: TOPIC, allowVersion1: true } as const
  const SENT = new Date('2012-04-26T20:46:00.000Z')

  it.each(messages.cases as any[])('$name: $expect $signing_cert_url', async (given) => {
    if (given.signing_cert_url) {
      const accepted = snsCertificateUrl(given.signing_cert_url) !== undefined
      expect(accepted).toBe(given.expect === 'accept')
      return
    }
    if (given.string_to_sign) expect(snsStringToSign(given.message)).toBe(given.string_to_sign)
    // The vectors' confirmations are confirmed by a second fetch, which any answer of 200 satisfies.
    const { hints, fetched } = await receive(
      settings,
      { body: JSON.stringify(given.message), headers: {} },
      { now: SENT, certificate: messages.certificate_pem },
    )
    expect(hints !== undefined).toBe(given.expect === 'valid')
    expect(fetched[0]).toBe(given.message.SigningCertURL)
    if (given.expect === 'valid' && given.message.Type === 'Notification') {
      expect(keysOf(hints)).toEqual(['big file+ü.bin'])
      expect(hints![0]!.id).toBe(given.message.MessageId)
    }
  })

  it('confirms a subscription of our topic by a URL of our own making', async () => {
    const subscribe = {
      Type: 'SubscriptionConfirmation',
      Token: 'a&b',
      SubscribeURL: 'https://evil.example/',
    }

    const { hints, fetched } = await receive(settings, snsMessage(subscribe, NOW))

    expect(hints).toEqual([])
    expect(fetched.slice(1)).toEqual([
      `https://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription&TopicArn=${encodeURIComponent(TOPIC)}&Token=a%26b`,
    ])
  })

  it('takes the test message of S3 for nothing', async () => {
    const test = { Message: JSON.stringify(eventNamed('test message').body) }

    expect((await receive(settings, snsMessage(test, NOW))).hints).toEqual([])
  })

  it.each([
    ['of another topic', { TopicArn: `${TOPIC}2` }],
    [
      'of another topic that would be confirmed',
      { TopicArn: `${TOPIC}2`, Type: 'SubscriptionConfirmation', Token: 't', SubscribeURL: 'u' },
    ],
    [
      'with a certificate of another region',
      { SigningCertURL: 'https://sns.eu-west-1.amazonaws.com/x.pem' },
    ],
    ['with a certificate of a bucket', { SigningCertURL: 'https://sns.s3.amazonaws.com/x.pem' }],
    ['of another signature version', { SignatureVersion: '3' }],
    ['of another type', { Type: 'Surprise' }],
    ['that is too old', { Timestamp: '2026-06-01T10:59:59.000Z' }],
    ['that is from the future', { Timestamp: '2026-06-01T13:00:01.000Z' }],
    ['without a time', { Timestamp: 'now' }],
  ])('refuses a message %s before it fetches', async (_, changes) => {
    const { hints, fetched } = await receive(settings, snsMessage(changes, NOW))

    expect({ hints, fetched }).toEqual({ hints: undefined, fetched: [] })
  })

  it('refuses version 1 where version 2 is required, and raw delivery', async () => {
    const strict = { ...settings, allowVersion1: false }

    const old = await receive(strict, snsMessage({ SignatureVersion: '1' }, NOW))
    const raw = await receive(strict, {
      body: JSON.stringify(eventNamed('aws-s3 notification').body),
      headers: {},
    })

    expect(old).toEqual({ hints: undefined, fetched: [] })
    expect(raw).toEqual({ hints: undefined, fetched: [] })
  })
})

describe('Alibaba EventBridge', () => {
  const settings = { source: 'eventbridge', token: SECRET } as const
  const [oss] = eventNamed('alibaba oss event').body.events
  const event = (operation: string) => ({
    id: 'e-1',
    source: 'acs.oss',
    type: `oss:${operation}`,
    data: oss,
  })
  const request = (operation = 'ObjectCreated:CompleteMultipartUpload') => ({
    url: BASE + PATH,
    token: SECRET,
    event: event(operation),
    at: NOW,
  })

  it('is verified over URL, headers and body, and its key is not encoded', async () => {
    const { hints, fetched } = await receive(settings, eventBridgeRequest(request()))

    expect(hints).toEqual([
      { id: 'e-1', keys: ['big file+ü.bin'], bucket: 'examplebucket', kind: 'completed' },
    ])
    expect(fetched).toHaveLength(1)
  })

  it.each([
    ['ObjectCreated:InitiateMultipartUpload', ['unfinished']],
    ['ObjectCreated:UploadPart', ['unfinished']],
    ['ObjectCreated:UploadPartCopy', ['unfinished']],
    ['ObjectCreated:PutObject', ['completed']],
    ['ObjectRemoved:AbortMultipartUpload', []],
    ['ObjectRemoved:DeleteObject', []],
  ])('takes %s as %j', async (operation, kinds) => {
    const { hints } = await receive(settings, eventBridgeRequest(request(operation)))

    expect(hints!.map(({ kind }) => kind)).toEqual(kinds)
  })

  it.each([
    ['another token', { 'x-eventbridge-signature-token': `${SECRET}x` }],
    [
      'a time 61 seconds ago',
      { 'x-eventbridge-signature-timestamp': String(NOW.getTime() / 1000 - 61) },
    ],
    [
      'a time in 61 seconds',
      { 'x-eventbridge-signature-timestamp': String(NOW.getTime() / 1000 + 61) },
    ],
    ['another hash', { 'x-eventbridge-hash-method': 'SHA1' }],
    ['another version', { 'x-eventbridge-signature-version': '2.0' }],
    ['a certificate of elsewhere', { 'x-eventbridge-signature-url': 'https://evil.example/c.pem' }],
  ])('refuses %s before it fetches', async (_, changes) => {
    const { hints, fetched } = await receive(settings, eventBridgeRequest(request(), changes))

    expect({ hints, fetched }).toEqual({ hints: undefined, fetched: [] })
  })

  it('refuses a request for another URL, or with another body', async () => {
    const elsewhere = eventBridgeRequest({ ...request(), url: `${BASE}/v1/callbacks/other` })
    const changed = eventBridgeRequest(request())

    expect((await receive(settings, elsewhere)).hints).toBeUndefined()
    expect(
      (await receive(settings, { ...changed, body: `${changed.body} ` })).hints,
    ).toBeUndefined()
  })

  it.each([
    ['https://cn-hangzhou-eventbridge.oss-accelerate.aliyuncs.com/x.pem', true],
    ['http://cn-hangzhou-eventbridge.oss-accelerate.aliyuncs.com/x.pem', false],
    ['https://cn-hangzhou-eventbridge.oss-accelerate.aliyuncs.com:444/x.pem', false],
    ['https://cn-hangzhou-eventbridge.oss-accelerate.aliyuncs.com@evil.example/x.pem', false],
    ['https://cn-hangzhou-eventbridge.oss-accelerate.aliyuncs.com/x.pem?y', false],
    ['https://cn-hangzhou-eventbridge.oss-accelerate.aliyuncs.com.evil.example/x.pem', false],
    ['https://evil.cn-hangzhou-eventbridge.oss-accelerate.aliyuncs.com/x.pem', false],
    ['https://eventbridge.oss-accelerate.aliyuncs.com/x.pem', false],
  ])('a certificate at %s: %s', (url, accepted) => {
    expect(eventBridgeCertificateUrl(url) !== undefined).toBe(accepted)
  })
})

describe('MNS', () => {
  const settings = { source: 'mns', accountId: '123456789012', topic: 'uploads' } as const
  const message = Buffer.from(JSON.stringify(eventNamed('alibaba oss event').body)).toString(
    'base64',
  )
  const pushed = (topic = 'uploads') =>
    `<Notification xmlns="http://mns.aliyuncs.com/doc/v1/"><TopicOwner>123456789012</TopicOwner>` +
    `<TopicName>${topic}</TopicName><MessageId>m1</MessageId><Message>${message}</Message></Notification>`
  const push = (body = pushed()) => ({ path: PATH, body, at: NOW })

  it('signs as its documentation shows', () => {
    const { string_to_sign } = eventNamed('mns HTTP push') as any
    const lines: string[] = string_to_sign.split('\n')
    const headers = new Headers(
      lines.slice(4, 7).map((line) => line.split(/:(.*)/s).slice(0, 2) as [string, string]),
    )
    for (const [index, name] of ['content-md5', 'content-type', 'date'].entries()) {
      headers.set(name, lines[index + 1]!)
    }

    expect(mnsStringToSign(headers, lines[7]!)).toBe(string_to_sign)
  })

  it.each([
    ['XML', pushed()],
    [
      'JSON',
      JSON.stringify({
        TopicOwner: '123456789012',
        TopicName: 'uploads',
        MessageId: 'm1',
        Message: message,
      }),
    ],
  ])('is verified and read as %s', async (_, body) => {
    const { hints } = await receive(settings, mnsPush(push(body)))

    expect(hints).toEqual([
      { id: 'm1:0', keys: ['big file+ü.bin'], bucket: 'examplebucket', kind: 'completed' },
    ])
  })

  it.each([
    ['another topic', push(pushed('others')), {}],
    [
      'a body whose MD5 differs',
      push(),
      { 'content-md5': 'ZDgxNjY5ZjFlMDQ5MGM0YWMwMWE5ODlmZDVlYmQxYjI=' },
    ],
    [
      'a time 16 minutes ago',
      push(),
      { date: new Date(NOW.getTime() - 16 * 60_000).toUTCString() },
    ],
    [
      'a certificate of elsewhere',
      push(),
      { 'x-mns-signing-cert-url': btoa('https://evil.example/c.pem') },
    ],
    ['a simplified body', push(message), {}],
  ])('refuses %s before it fetches', async (_, request, changes: Record<string, string>) => {
    const { hints, fetched } = await receive(settings, mnsPush(request, changes))

    expect({ hints, fetched }).toEqual({ hints: undefined, fetched: [] })
  })

  it('refuses a header that was changed afterwards', async () => {
    const forged = mnsPush(push(), {}, { 'x-mns-request-id': 'another' })

    expect((await receive(settings, forged)).hints).toBeUndefined()
  })

  it.each([
    ['https://mns-cert.oss-cn-beijing.aliyuncs.com/x.pem', true],
    ['https://mnstest.oss-cn-hangzhou.aliyuncs.com/x509_public_certificate.pem', true],
    ['http://mnstest.oss-cn-hangzhou.aliyuncs.com/x509_public_certificate.pem', false],
    ['https://mnstest.oss-cn-hangzhou.aliyuncs.com.evil.example/x.pem', false],
    ['https://evil.oss-cn-hangzhou.aliyuncs.com/x.pem', false],
    ['https://mns-cert.oss-cn-beijing.aliyuncs.com@evil.example/x.pem', false],
  ])('a certificate at %s: %s', (url, accepted) => {
    expect(mnsCertificateUrl(url) !== undefined).toBe(accepted)
  })
})

describe('certificates', () => {
  const URL_A = 'https://sns.us-west-2.amazonaws.com/a.pem'
  const bytes = utf8('text')
  const signature = btoa('no signature, but base64')

  const bench = (answer: () => Promise<Response>) => {
    let now = 0
    const fetched: string[] = []
    const verify = certificates({
      clock: () => new Date(now),
      timeoutMs: 20,
      fetch: (input) => {
        fetched.push(String(input))
        return answer()
      },
    })
    const ask = (url: string) => verify(url, 'SHA-256', signature, bytes)
    const pass = (milliseconds: number) => {
      now += milliseconds
    }
    return { ask, fetched, pass }
  }

  it('are fetched once a day', async () => {
    const { ask, fetched, pass } = bench(async () => new Response(CERTIFICATE))

    await ask(URL_A)
    await ask(URL_A)
    expect(fetched).toHaveLength(1)
    pass(24 * 3600_000)
    await ask(URL_A)

    expect(fetched).toHaveLength(2)
  })

  it('are fetched ten times a minute at most, whatever is asked for', async () => {
    const { ask, fetched, pass } = bench(async () => new Response('nothing', { status: 404 }))

    for (let index = 0; index < 30; index++) await ask(`${URL_A}${index}`)
    expect(fetched).toHaveLength(10)
    pass(60_000)
    await ask(URL_A)

    expect(fetched).toHaveLength(11)
  })

  it.each([
    ['never comes', () => new Promise<Response>(() => {})],
    [
      'is no certificate',
      async () => new Response('-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----'),
    ],
    ['is too long', async () => new Response('x'.repeat(17 * 1024))],
    [
      'is a redirect',
      async () =>
        new Response(CERTIFICATE, { status: 302, headers: { location: 'https://evil.example/' } }),
    ],
  ])('that %s verifies nothing', async (_, answer) => {
    expect(await bench(answer).ask(URL_A)).toBe(false)
  })
})
