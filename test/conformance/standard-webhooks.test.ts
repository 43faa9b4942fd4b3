// Our webhook signatures, checked by `standardwebhooks`, the library that receivers use.
import { Webhook } from 'standardwebhooks'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { signWebhook, webhookSecret } from '../../src/delivery/targets/standard-webhooks.ts'

const secret = webhookSecret(Uint8Array.from({ length: 32 }, (_, index) => index * 7))
const id = 'evt_01890a5d'
const timestampSeconds = 1_760_000_000
const body = '{"type":"upload.completed","data":{"name":"naïve 你好.txt"}}'

async function headersFor(changes: { id?: string; timestampSeconds?: number; body?: string } = {}) {
  const sent = { id, timestampSeconds, body, ...changes }
  return {
    'webhook-id': sent.id,
    'webhook-timestamp': String(sent.timestampSeconds),
    'webhook-signature': await signWebhook(secret, sent.id, sent.timestampSeconds, sent.body),
  }
}

describe('signWebhook', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['Date'], now: timestampSeconds * 1000 })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('makes the signature of the specification', async () => {
    // standard-webhooks/standard-webhooks, the example shared by its libraries' tests.
    const signature = await signWebhook(
      'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
      'msg_p5jXN8AQM9LWM0D4loKWxJek',
      1_614_265_330,
      '{"test": 2432232314}',
    )

    expect(signature).toBe('v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=')
  })

  it.each([body, '', 'not JSON', 'x'.repeat(100_000)])('is accepted for body %#', async (text) => {
    const headers = await headersFor({ body: text })

    expect(() => new Webhook(secret).verify(text, headers, { jsonParse: false })).not.toThrow()
  })

  it('makes the same signature as the library', async () => {
    const expected = new Webhook(secret).sign(id, new Date(timestampSeconds * 1000), body)

    expect(await signWebhook(secret, id, timestampSeconds, body)).toBe(expected)
  })

  it('is refused for a tampered body', async () => {
    const headers = await headersFor()

    expect(() => new Webhook(secret).verify(body.replace('completed', 'aborted'), headers)).toThrow(
      'No matching signature found',
    )
    expect(() => new Webhook(secret).verify(`${body} `, headers)).toThrow()
  })

  it('is refused for another id, time or secret', async () => {
    const headers = await headersFor()
    const other = new Webhook(webhookSecret(new Uint8Array(32).fill(1)))

    const verify = (changes: Partial<typeof headers>) => () =>
      new Webhook(secret).verify(body, { ...headers, ...changes })

    expect(verify({})).not.toThrow()
    expect(verify({ 'webhook-id': 'evt_other' })).toThrow()
    expect(verify({ 'webhook-timestamp': String(timestampSeconds + 1) })).toThrow()
    expect(() => other.verify(body, headers)).toThrow()
  })

  it('is refused when it is older than five minutes', async () => {
    const headers = await headersFor({ timestampSeconds: timestampSeconds - 301 })

    expect(() => new Webhook(secret).verify(body, headers)).toThrow('too old')
  })

  it.each(['', 'whsec_', 'whsec_!!!', 'AAAA', 'whsek_AAAA', 'whsec_AAA'])(
    'refuses the secret %j without repeating it',
    async (wrong) => {
      const made = signWebhook(wrong, id, timestampSeconds, body)

      await expect(made).rejects.toThrow(
        new TypeError('a webhook secret is whsec_ followed by base64'),
      )
    },
  )

  it.each([1.5, Number.NaN, Number.POSITIVE_INFINITY])('refuses the time %s', async (time) => {
    await expect(signWebhook(secret, id, time, body)).rejects.toThrow(TypeError)
  })
})

describe('webhookSecret', () => {
  it('is whsec_ and base64', () => {
    expect(webhookSecret(new Uint8Array(24))).toBe(`whsec_${'A'.repeat(32)}`)
  })

  it.each([0, 23, 65])('refuses %i bytes', (length) => {
    expect(() => webhookSecret(new Uint8Array(length))).toThrow(TypeError)
  })
})
