// The cache of public keys: how often it fetches, which redirects it refuses, and that requests on Workers share no promise.
import { exportJWK, generateKeyPair } from 'jose'
import { beforeAll, describe, expect, it } from 'vitest'
import { jwksCache } from '../../../src/auth/jwks.ts'

const URL = 'https://issuer.example/jwks.json'
/** A key of 2048 bits that signs nothing. */
const JSON_RSA = { kty: 'RSA', n: `_${'A'.repeat(341)}`, e: 'AQAB' }
let keys: string
beforeAll(async () => {
  const { publicKey } = await generateKeyPair('ES256')
  keys = JSON.stringify({ keys: [await exportJWK(publicKey)] })
})

function cacheOf({ sharePromises = true, answer = () => new Response(keys) } = {}) {
  const asked: RequestInit[] = []
  const waiting: Array<() => void> = []
  let now = new Date('2026-01-01T00:00:00Z')
  const cache = jwksCache({
    async fetch(_url, init) {
      asked.push(init!)
      await new Promise<void>((resolve) => waiting.push(resolve))
      return answer()
    },
    clock: () => now,
    sharePromises,
  })
  return {
    asked,
    request: () => cache((work) => void work),
    /** Ends these fetches, in the order they were made. */
    answer: (index: number) => waiting[index]!(),
    pass: (seconds: number) => {
      now = new Date(now.getTime() + seconds * 1000)
    },
  }
}

describe('on Node', () => {
  it('concurrent requests share one fetch', async () => {
    const cache = cacheOf()
    const both = Promise.all([cache.request()(URL), cache.request()(URL)])
    cache.answer(0)

    expect((await both).every((found) => found !== undefined)).toBe(true)
    expect(cache.asked).toHaveLength(1)
  })
})

describe('on Workers', () => {
  it('a request that never ends does not keep others from the keys', async () => {
    const cache = cacheOf({ sharePromises: false })
    void cache.request()(URL)
    const second = cache.request()(URL)
    cache.answer(1)

    expect(await second).toBeDefined()
    expect(cache.asked).toHaveLength(2)
  })

  it('two concurrent requests get keys, even if the cached ones are a day old', async () => {
    const cache = cacheOf({ sharePromises: false })
    const first = cache.request()(URL)
    cache.answer(0)
    await first
    cache.pass(25 * 3600)

    const both = [cache.request()(URL), cache.request()(URL)]
    cache.answer(1)
    cache.answer(2)

    expect((await Promise.all(both)).every((found) => found !== undefined)).toBe(true)
  })

  it('an unknown key causes one fetch in half a minute, however many ask for it', async () => {
    const cache = cacheOf({ sharePromises: false })
    const first = cache.request()(URL)
    cache.answer(0)
    await first
    cache.pass(31)

    const many = Array.from({ length: 5 }, () => cache.request()(URL, 'newer'))
    cache.answer(1)

    expect((await Promise.all(many)).every((found) => found !== undefined)).toBe(true)
    expect(cache.asked).toHaveLength(2)
  })
})

describe('a set without a usable key', () => {
  const FAULTY: Array<[string, unknown]> = [
    ['is empty', { keys: [] }],
    ['is none', { kes: [] }],
    ['is no JSON', undefined],
    ['has a secret only', { keys: [{ kty: 'oct', k: 'c2VjcmV0' }] }],
    ['has a key for encryption only', { keys: [{ ...JSON_RSA, use: 'enc' }] }],
    [
      'has a key that cannot be imported',
      { keys: [{ kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA' }] },
    ],
    ['has keys of unknown kinds only', { keys: [{ kty: 'new' }] }],
  ]

  it.each(FAULTY)('replaces no good one, for example one that %s', async (_, faulty) => {
    let answer = keys
    const cache = cacheOf({ answer: () => new Response(answer) })
    const first = cache.request()(URL)
    cache.answer(0)
    const good = await first
    answer = faulty === undefined ? '<html>' : JSON.stringify(faulty)
    cache.pass(31)

    const newer = cache.request()(URL, 'newer')
    cache.answer(1)

    expect(await newer).toBe(good)
    cache.pass(24 * 3600)
    const late = cache.request()(URL)
    cache.answer(2)
    expect(await late).toBeUndefined()
  })

  it('may contain other keys beside a usable one', async () => {
    const odd = { keys: [{ kty: 'new' }, { kty: 'oct', k: 'AA' }, ...JSON.parse(keys).keys] }
    const cache = cacheOf({ answer: () => Response.json(odd) })
    const asked = cache.request()(URL)
    cache.answer(0)

    expect(await asked).toBeDefined()
  })
})

it('follows no redirect, and tries again after half a minute', async () => {
  const elsewhere = { status: 302, headers: { location: 'http://169.254.169.254/' } }
  const cache = cacheOf({ answer: () => new Response(null, elsewhere) })
  const ask = async (index: number) => {
    const asked = cache.request()(URL)
    cache.answer(index)
    return asked
  }

  expect(await ask(0)).toBeUndefined()
  expect(cache.asked[0]!.redirect).toBe('manual')
  expect(await cache.request()(URL)).toBeUndefined()
  expect(cache.asked).toHaveLength(1)
  cache.pass(31)
  expect(await ask(1)).toBeUndefined()
})
