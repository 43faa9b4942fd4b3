// Notifications are hints, as callbacks are. These tests bound what each can cause: rows, calls to the store, other requests
// and changes to the session.
import postgres from 'postgres'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { countersign } from '../../src/worker/library.ts'
import { notificationsOf, receiveMessages } from '../../src/worker/queue.ts'
import { type Harness, putPart, someBytes, startHarness } from '../support/harness.ts'
import {
  CERTIFICATE,
  eventBridgeRequest,
  mnsPush,
  type SentRequest,
  snsMessage,
  TOPIC,
} from '../support/signing-sender.ts'

const KiB = 1024
const SIZE = 150 * KiB
const SECRET = 'the-secret-of-the-sender'
const PATH = '/v1/callbacks/default'
const URL_OF_US = `http://countersign.test${PATH}`

let harness: Harness
let database: postgres.Sql
let app: { id: string; apiKey: string; keyPrefix: string }
/** What the hosts of senders answer. */
let senderAnswers: (url: string) => Promise<Response>
const asked: string[] = []

beforeAll(async () => {
  harness = await startHarness({
    moreStores: ['second'],
    storeSettings: {
      notifications: [
        { source: 'generic', secret: SECRET },
        { source: 'generic', secret: `${SECRET}-next` },
        { source: 'minio', token: `${SECRET}-of-minio` },
        { source: 'ceph', secret: SECRET },
        { source: 'sns', topicArn: TOPIC, allowVersion1: false },
        { source: 'eventbridge', token: SECRET },
        { source: 'mns', accountId: '123456789012', topic: 'uploads' },
        { source: 'r2' },
      ],
    },
    targetFetch: (input) => {
      asked.push(String(input))
      return senderAnswers(String(input))
    },
  })
  database = postgres(harness.databaseUrl, { max: 1, onnotice: () => {} })
})
afterAll(async () => {
  await database?.end()
  await harness?.stop()
})
beforeEach(async () => {
  asked.length = 0
  senderAnswers = async () => new Response(CERTIFICATE)
  harness.interceptStore((forward) => forward)
  app = await harness.createApp({ direct: true, partSizeBytes: 100 * KiB, singleMaxBytes: 0 })
})

async function sent(filename = 'a ü&=+.bin') {
  const bytes = someBytes(SIZE)
  const { body: created } = await harness.call('POST', '/v1/uploads', app.apiKey, {
    subject: 'ada',
    filename,
    sizeBytes: SIZE,
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

const post = (
  { body, headers }: SentRequest,
  path = PATH,
): Promise<{ status: number; body: Record<string, any> }> =>
  harness.call('POST', path, undefined, body, headers)

const generic = (event: unknown, secret = SECRET): SentRequest => ({
  body: JSON.stringify(event),
  headers: { authorization: `Bearer ${secret}` },
})

const rowCount = async () => (await database`select count(*)::int as n from callbacks`)[0]!.n

const outcomes = async ({ id }: Record<string, any>) =>
  (await database`select outcome from callbacks where upload_id = ${id} order by received_at`).map(
    ({ outcome }) => outcome as string | null,
  )

/** Counts what the call causes, the work after its answer included. */
async function effectsOf<Value>(work: () => Promise<Value>) {
  const before = { calls: harness.counts.storeCalls, rows: await rowCount(), asked: asked.length }
  const value = await work()
  await harness.settled()
  return {
    value,
    storeCalls: harness.counts.storeCalls - before.calls,
    rows: (await rowCount()) - before.rows,
    requests: asked.length - before.asked,
  }
}

const RECEIVED = { status: 200, body: { received: true } }
const NOTHING = { storeCalls: 0, rows: 0, requests: 0 }

const record = (key: string, changes: Record<string, unknown> = {}) => ({
  eventVersion: '2.1',
  eventName: 'ObjectCreated:CompleteMultipartUpload',
  s3: { bucket: { name: 'bucket' }, object: { key, sequencer: '0055AED6DCD90281E5' } },
  ...changes,
})
const formEncoded = (key: string) => encodeURIComponent(key).replaceAll('%20', '+')
const ossEvent = (key: string) => ({
  eventName: 'ObjectCreated:CompleteMultipartUpload',
  oss: { bucket: { name: 'bucket' }, object: { key } },
})

/** The request with which each source reports this key. */
const REPORTS: Record<string, (key: string) => SentRequest> = {
  generic: (key) => generic({ key }),
  minio: (key) => ({
    body: JSON.stringify({ Records: [record(formEncoded(key))] }),
    headers: { authorization: `Bearer ${SECRET}-of-minio` },
  }),
  ceph: (key) => ({
    body: JSON.stringify({ Records: [record(key, { opaqueData: SECRET })] }),
    headers: {},
  }),
  sns: (key) =>
    snsMessage(
      { Message: JSON.stringify({ Records: [record(formEncoded(key))] }) },
      harness.clock(),
    ),
  eventbridge: (key) =>
    eventBridgeRequest({
      url: URL_OF_US,
      token: SECRET,
      event: { id: 'e1', type: 'oss:ObjectCreated:CompleteMultipartUpload', data: ossEvent(key) },
      at: harness.clock(),
    }),
  mns: (key) =>
    mnsPush({
      path: PATH,
      body: JSON.stringify({
        TopicOwner: '123456789012',
        TopicName: 'uploads',
        MessageId: 'm1',
        Message: Buffer.from(JSON.stringify({ events: [ossEvent(key)] })).toString('base64'),
      }),
      at: harness.clock(),
    }),
}

describe('a notification of', () => {
  it.each(Object.keys(REPORTS))(
    '%s completes the session with one row and one HEAD',
    async (name) => {
      const created = await stored(await sent())

      const { value, storeCalls, rows } = await effectsOf(() => post(REPORTS[name]!(created.key)))

      expect(value).toMatchObject(RECEIVED)
      expect({ storeCalls, rows }).toEqual({ storeCalls: 1, rows: 1 })
      expect(await outcomes(created)).toEqual(['own'])
      expect(await find(created)).toMatchObject({ state: 'completed', object: { sizeBytes: SIZE } })
    },
  )

  it('is answered before the store is asked', async () => {
    const created = await stored(await sent())
    let release = () => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    harness.interceptStore((forward) => async (input, init) => {
      await held
      return forward(input, init)
    })

    const answer = await post(generic({ key: created.key }))
    expect(await outcomes(created)).toEqual([null])
    release()
    await harness.settled()

    expect(answer).toMatchObject(RECEIVED)
    expect(await find(created)).toMatchObject({ state: 'completed' })
  })

  it('a store that does not answer is left to the sweep, which completes it', async () => {
    const created = await stored(await sent())
    harness.interceptStore(() => async () => new Response('', { status: 503 }))

    const answer = await post(generic({ key: created.key }))
    await harness.settled()
    harness.interceptStore((forward) => forward)
    harness.advance({ seconds: 11 })
    await harness.sweep()

    expect(answer).toMatchObject(RECEIVED)
    expect(await outcomes(created)).toEqual(['own'])
    expect(await find(created)).toMatchObject({ state: 'completed' })
  })

  it('either of two secrets of one source is taken', async () => {
    expect(await post(generic({ key: 'k' }, `${SECRET}-next`))).toMatchObject(RECEIVED)
  })
})

describe('nothing is caused by', () => {
  it('a repeated notification, or one of a session that has ended', async () => {
    const created = await stored(await sent())
    const report = generic({ key: created.key, id: 'one' })
    await effectsOf(() => post(report))
    const session = await find(created)

    const again = await effectsOf(() => post(report))
    const another = await effectsOf(() => post(generic({ key: created.key, id: 'two' })))

    expect([again, another]).toMatchObject([NOTHING, NOTHING])
    expect([again.value, another.value]).toMatchObject([RECEIVED, RECEIVED])
    expect(await find(created)).toEqual(session)
  })

  it('a repeat before the object is there: one row, one HEAD', async () => {
    const created = await sent()
    const report = generic({ key: created.key, id: 'early' })
    const before = await find(created)

    const first = await effectsOf(() => post(report))
    const again = await effectsOf(() => post(report))

    expect(first).toMatchObject({ storeCalls: 1, rows: 1 })
    expect(again).toMatchObject(NOTHING)
    expect(await outcomes(created)).toEqual(['absent'])
    expect(await find(created)).toEqual(before)
  })

  it.each([
    ['an unknown key below the prefix', (key: string) => ({ key: `${key}x` })],
    ['a key below no prefix', () => ({ key: 'elsewhere/x' })],
    ['a key that is only the prefix', (key: string) => ({ key: key.split('/')[0] })],
    ['a key of another bucket', (key: string) => ({ key, bucket: 'others' })],
    ['an event without a key', () => ({})],
  ])('%s', async (_, eventOf) => {
    const created = await stored(await sent())
    const before = await find(created)

    const effects = await effectsOf(() => post(generic(eventOf(created.key))))

    expect(effects.value).toMatchObject(RECEIVED)
    expect(effects).toMatchObject(NOTHING)
    expect(await find(created)).toEqual(before)
  })

  it('a key of a session in another store', async () => {
    const created = await stored(await sent())

    const effects = await effectsOf(() =>
      post(generic({ key: created.key }), '/v1/callbacks/second'),
    )

    expect(effects.value).toMatchObject(RECEIVED)
    expect(effects).toMatchObject(NOTHING)
  })

  it('a foreign object under the session’s key: one row, one HEAD', async () => {
    const created = await sent()
    const objects = harness.services.storeNamed('default')
    const { key } = created
    await objects.putEmpty({ key, contentType: 'text/plain', stamp: 'upl_other' } as any)
    const before = await find(created)

    const { rows } = await effectsOf(() => post(generic({ key })))

    expect(rows).toBe(1)
    expect(await outcomes(created)).toEqual(['foreign'])
    expect(await find(created)).toEqual(before)
  })
})

describe('an unverified request', () => {
  const REFUSED = { status: 403, body: { code: 'callback-not-verified' } }
  const forgeries: Record<string, (key: string) => SentRequest> = {
    'generic with a wrong secret': (key) => generic({ key }, 'another'),
    'generic with none': (key) => ({ body: JSON.stringify({ key }), headers: {} }),
    'MinIO with a wrong token': (key) => ({
      ...REPORTS.minio!(key),
      headers: { authorization: 'Bearer another' },
    }),
    'Ceph with other opaque data': (key) => ({
      body: JSON.stringify({ Records: [record(key, { opaqueData: 'another' })] }),
      headers: {},
    }),
    'SNS of another topic': () => snsMessage({ TopicArn: `${TOPIC}2` }, harness.clock()),
    'SNS with a certificate of a bucket': () =>
      snsMessage({ SigningCertURL: 'https://sns.s3.amazonaws.com/x.pem' }, harness.clock()),
    'EventBridge with another token': (key) => ({
      ...REPORTS.eventbridge!(key),
      headers: { ...REPORTS.eventbridge!(key).headers, 'x-eventbridge-signature-token': 'x' },
    }),
    'MNS with another body': (key) => ({
      ...REPORTS.mns!(key),
      body: REPORTS.mns!(key).body.replace('m1', 'm2'),
    }),
  }

  it.each(Object.keys(forgeries))(
    'of %s is 403, without a row and without a request',
    async (name) => {
      const created = await stored(await sent())
      const before = await find(created)

      const effects = await effectsOf(() => post(forgeries[name]!(created.key)))

      expect(effects.value).toMatchObject(REFUSED)
      expect(effects).toMatchObject(NOTHING)
      expect(await find(created)).toEqual(before)
    },
  )

  it('with a signature of nobody is 403, without a row and without a store call', async () => {
    const created = await stored(await sent())
    const report = REPORTS.sns!(created.key)
    const forged = { ...report, body: report.body.replace('ObjectCreated', 'ObjectCreateD') }

    const effects = await effectsOf(() => post(forged))

    expect(effects.value).toMatchObject(REFUSED)
    expect(effects).toMatchObject({ storeCalls: 0, rows: 0 })
  })

  it('to an unknown store is 403, and one that is too long 413', async () => {
    expect(await post(generic({ key: 'k' }), '/v1/callbacks/nowhere')).toMatchObject(REFUSED)
    const long = await post(generic({ key: 'k'.repeat(65 * KiB) }))
    expect(long).toMatchObject({ status: 413, body: { code: 'payload-too-large' } })
  })
})

describe('a hint about an unfinished upload', () => {
  const sweepAt = async ({ id }: Record<string, any>) =>
    (
      await database`select sweep_at, xmin::text as version from uploads where upload_id = ${id}`
    )[0]!

  it('keeps no row, and brings the sweep’s next look forward, once', async () => {
    const created = await sent()
    const before = await sweepAt(created)

    const effects = await effectsOf(() => post(generic({ key: created.key, unfinished: true })))
    const first = await sweepAt(created)
    await post(generic({ key: created.key, unfinished: true, id: 'another' }))
    const second = await sweepAt(created)

    expect(effects).toMatchObject(NOTHING)
    expect(effects.value).toMatchObject(RECEIVED)
    expect(before.sweep_at > harness.clock()).toBe(true)
    expect(first.sweep_at <= harness.clock()).toBe(true)
    // The row was not written again.
    expect(second).toEqual(first)
    expect(await find(created)).toMatchObject({ state: 'open' })
  })

  it('gives a client that left its completion without waiting for the sweep’s turn', async () => {
    app = await harness.createApp({
      autoComplete: 'unverified',
      partSizeBytes: 100 * KiB,
      singleMaxBytes: 0,
    })
    const created = await sent()
    // The sweep has just looked and comes back in an hour.
    harness.advance({ minutes: 11 })
    const session = await find(created)
    await harness.services.uploads.scheduleSweep(
      session,
      new Date(harness.clock().getTime() + 3600_000),
    )
    await harness.sweep()
    expect(await find(created)).toMatchObject({ state: 'open' })

    await post(generic({ key: created.key, unfinished: true }))
    await harness.sweep()

    expect(await find(created)).toMatchObject({ state: 'completed' })
  })

  it('is all that a single PUT is whose completion is the backend’s', async () => {
    app = await harness.createApp({ completion: 'backend' })
    const created = await sent()
    expect(created.method).toBe('single')
    const hint = generic({ key: created.key })

    const effects = await effectsOf(() => post(hint))
    await harness.sweep()

    expect(effects).toMatchObject(NOTHING)
    expect(await find(created)).toMatchObject({ state: 'open' })
  })
})

describe('a message of R2’s queue', () => {
  const STORES = ['default', 'second']
  const message = (key: string, bucket = 'bucket') => ({
    body: {
      account: 'a',
      action: 'CompleteMultipartUpload',
      bucket,
      object: { key, size: SIZE, eTag: 'e' },
      eventTime: '2026-05-24T19:36:44.379Z',
    },
    retry: () => {},
  })

  it('completes the session, once', async () => {
    const created = await stored(await sent())
    const messages = new Set([message(created.key), message(created.key), message('elsewhere/x')])

    const effects = await effectsOf(() => receiveMessages(harness.services, STORES, messages))

    expect(effects).toMatchObject({ storeCalls: 1, rows: 1 })
    expect(messages.size).toBe(0)
    expect(await find(created)).toMatchObject({ state: 'completed' })
  })

  it('of another bucket changes nothing', async () => {
    const created = await stored(await sent())
    const messages = new Set([message(created.key, 'another')])

    expect(
      await effectsOf(() => receiveMessages(harness.services, STORES, messages)),
    ).toMatchObject(NOTHING)
  })

  it('that could not be saved is left to be retried, and the others are taken', async () => {
    const created = await stored(await sent())
    const [bad, good] = [message('broken/x'), message(created.key)]
    const messages = new Set([bad, good])
    const { apps } = harness.services
    const services = {
      ...harness.services,
      apps: {
        ...apps,
        findAppOfKey: async (key: string) => {
          if (key === 'broken/x') throw new Error('no database')
          return apps.findAppOfKey(key)
        },
      },
    }

    await receiveMessages(services, STORES, messages)
    await harness.settled()

    expect([...messages]).toEqual([bad])
    expect(await find(created)).toMatchObject({ state: 'completed' })
  })

  it('is retried by a Worker that has no valid configuration', async () => {
    let retried = 0
    const retry = () => {
      retried++
    }

    await countersign({}).queue({ messages: [{ ...message('k'), retry }] }, {}, {})

    expect(retried).toBe(1)
  })

  it('is told from a nudge', () => {
    const own = message('k')

    expect(notificationsOf({ messages: [{ body: 'deliver', retry() {} }, own] })).toEqual([own])
    expect(notificationsOf(undefined)).toEqual([])
  })
})

describe('a subscription of SNS', () => {
  const confirmation = () =>
    snsMessage({ Type: 'SubscriptionConfirmation', Token: 't', SubscribeURL: 'u' }, harness.clock())

  it('is confirmed', async () => {
    const effects = await effectsOf(() => post(confirmation()))

    expect(effects.value).toMatchObject(RECEIVED)
    expect(effects).toMatchObject({ storeCalls: 0, rows: 0 })
    expect(asked.at(-1)).toContain(
      'https://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription',
    )
  })

  it('that cannot be confirmed is 503, so that SNS repeats it', async () => {
    senderAnswers = async (url) =>
      url.endsWith('.pem') ? new Response(CERTIFICATE) : new Response('', { status: 500 })

    expect(await post(confirmation())).toMatchObject({
      status: 503,
      body: { code: 'storage-unavailable' },
    })
  })
})

it('finds sessions and apps by an index', async () => {
  const plan = async (query: string) =>
    JSON.stringify(
      await database.begin(async (transaction) => {
        await transaction`set local enable_seqscan = off`
        return transaction.unsafe(`explain ${query}`)
      }),
    )
  expect(
    await plan(
      `select from uploads where app_id = 'a' and object_key = 'k' and state in ('initiating', 'open', 'completing') and store = 's'`,
    ),
  ).toContain('uploads_by_key')
  expect(await plan(`select from apps where key_prefix = any(array['a'])`)).toContain(
    'apps_by_key_prefix',
  )
})

it('logs no secret of a sender', () => {
  expect(harness.lines.join('\n')).not.toContain(SECRET)
})
