// Every outgoing call ends within its time-out, whatever the answer: each sender against each hostile receiver.
import { afterAll, describe, expect, it } from 'vitest'
import { jwksCache } from '../../src/auth/jwks.ts'
import { fetchSender } from '../../src/delivery/send.ts'
import { webhook } from '../../src/delivery/targets/webhook.ts'
import { checkedFetch } from '../../src/delivery/url-guard.ts'
import { withCallback } from '../../src/embedded/store/callback/send.ts'
import { nodeFetch } from '../../src/net/node-fetch.ts'
import { withTimeout } from '../../src/net/with-timeout.ts'
import { guardedFetch } from '../../src/node/guarded-fetch.ts'
import { mps } from '../../src/storage/aliyun/mps.ts'
import { stsClient } from '../../src/storage/aliyun/sts.ts'
import { sendToStore } from '../../src/storage/rest/send.ts'
import { HOSTILITIES, type Hostility, startHostileReceiver } from '../support/hostile-receiver.ts'
import { startReceiver } from '../support/receiver.ts'

const timeoutMs = 800
/** Long after every time-out. A call that lasts this long would never end. */
const NEVER_MS = 10_000

const clock = () => new Date('2026-01-01T00:00:00Z')
const guard = { allowPrivate: true }
const onNode = guardedFetch(guard)
const elsewhere = checkedFetch(fetch, guard)
afterAll(() => onNode.close())

type Sender = (url: string) => Promise<unknown>

const webhookBy =
  (fetchFrom: typeof fetch): Sender =>
  async (url) => {
    const services = {
      deliveries: { findEndpoint: async () => ({ url, secret: 'whsec_c2VjcmV0' }) },
      clock,
      sendWebhook: fetchSender({ fetch: fetchFrom, timeoutMs }),
    }
    const delivery = { appId: 'app_1', endpointId: 'whe_1', eventId: 'evt_1', body: '{}' }
    return (await webhook.attempt(services as never, delivery as never)).kind
  }

const keySetBy =
  (fetchFrom: typeof fetch): Sender =>
  async (url) => {
    const cache = jwksCache({ fetch: fetchFrom, clock, sharePromises: true, timeoutMs })
    return (await cache(() => {})(url)) ? 'keys' : 'no keys'
  }

const api = (url: string) => ({
  endpoint: url.slice(0, -1),
  credentials: { accessKeyId: 'id', secretAccessKey: 'secret' },
  clock,
  fetch,
  newNonce: () => 'nonce',
  bucket: 'bucket',
  region: 'cn-hangzhou',
  timeoutMs,
})

const storeKind = (error: { kind?: string }) => error.kind

const callback: Sender = (url) => {
  const plan = {
    urls: [new URL(url)],
    host: 'callback.example',
    template: '{}',
    bodyType: 'application/json' as const,
    variables: new Map(),
  }
  const services = {
    bucket: 'bucket',
    clock,
    fetch: nodeFetch(),
    callbackTimeoutMs: timeoutMs,
    callbackKey: { sign: () => 'signature' },
    url: () => 'http://store.example',
    closing: new AbortController().signal,
    log: () => {},
  }
  const facts = { manifest: { etag: '"e"', headers: {} }, contentMd5: '', operation: 'PutObject' }
  const request = { requestId: 'r', clientIp: '127.0.0.1' }
  return withCallback({ status: 200 }, plan, facts as never, request, services as never).catch(
    ({ refusal }) => refusal.code,
  )
}

/** The outcome that each sender must report after a status, and without one. */
const SENDERS: Array<{ name: string; send: Sender; heard: string; unheard: string }> = [
  { name: 'a webhook on Node', send: webhookBy(onNode.fetch), heard: 'done', unheard: 'unclear' },
  { name: 'a webhook elsewhere', send: webhookBy(elsewhere), heard: 'done', unheard: 'unclear' },
  { name: 'a key set on Node', send: keySetBy(onNode.fetch), heard: 'no keys', unheard: 'no keys' },
  { name: 'a key set elsewhere', send: keySetBy(elsewhere), heard: 'no keys', unheard: 'no keys' },
  {
    name: 'a call to the store',
    send: (url) =>
      sendToStore(
        fetch,
        { method: 'GET', url, headers: {}, timeoutMs },
        { kindOf: () => undefined },
      ).catch(storeKind),
    heard: 'ambiguous',
    unheard: 'ambiguous',
  },
  {
    name: 'a call to STS',
    send: (url) =>
      stsClient({ ...api(url), roleArn: 'acs:ram::1:role/a' })({ key: 'a' }, 's', 900).catch(
        storeKind,
      ),
    heard: 'ambiguous',
    unheard: 'ambiguous',
  },
  {
    name: 'a call to Media Processing',
    send: (url) => mps(api(url)).state('job').catch(storeKind),
    heard: 'ambiguous',
    unheard: 'ambiguous',
  },
  {
    name: 'a callback of the embedded store',
    send: callback,
    heard: 'CallbackFailed',
    unheard: 'CallbackFailed',
  },
]

describe.each(SENDERS)('$name settles', ({ send, heard, unheard }) => {
  it('whatever its receiver answers', async () => {
    const outcomeOf = async (hostility: Hostility) => {
      const receiver = await startHostileReceiver(hostility)
      const outcome = await withTimeout(send(receiver.url), NEVER_MS, () => 'never settled')
      await receiver.stop()
      return [hostility.name, outcome]
    }

    const outcomes = await Promise.all(HOSTILITIES.filter(({ floods }) => !floods).map(outcomeOf))
    // A flood keeps this process's one thread busy, which would delay the other calls.
    for (const flood of HOSTILITIES.filter(({ floods }) => floods)) {
      outcomes.push(await outcomeOf(flood))
    }

    const expected = HOSTILITIES.map(({ name, status }) => [name, status === 200 ? heard : unheard])
    expect(Object.fromEntries(outcomes)).toEqual(Object.fromEntries(expected))
  })
})

it.each([
  '101 with Upgrade',
  'an end without a word',
  'a whole answer with a status that does not exist',
])('fetch on Node rejects after %s, without a time-out to end it', async (name) => {
  const receiver = await startHostileReceiver(HOSTILITIES.find((each) => each.name === name)!)
  const outcome = nodeFetch()(receiver.url).catch((error: unknown) => error)

  expect(await withTimeout(outcome, NEVER_MS, () => 'never settled')).toBeInstanceOf(Error)

  await receiver.stop()
})

it('a webhook does not wait for another’s connection to the same host', async () => {
  const receiver = await startReceiver()
  const release = receiver.hold()
  const send = fetchSender({ fetch: onNode.fetch })

  const sent = Array.from({ length: 40 }, () => send(receiver.url, {}, '{}'))
  await receiver.arrived(40)
  release()

  expect(await Promise.all(sent)).toEqual(sent.map(() => ({ status: 204 })))
  await receiver.stop()
})
