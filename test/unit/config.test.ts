// The environment: defaults, every fault by its name, and what embedded mode is.
import { describe, expect, it } from 'vitest'
import { parseConfig, parseStoreConfigs } from '../../src/config.ts'

const KEYS = {
  ADMIN_KEY: 'x'.repeat(24),
  SECRET_KEYS: `k1:${Buffer.alloc(32, 1).toString('base64url')}`,
}
const STORE = {
  STORE_DIALECT: 'oss',
  STORE_REGION: 'oss-cn-hangzhou',
  STORE_BUCKET: 'my-bucket',
  STORE_ACCESS_KEY_ID: 'id',
  STORE_SECRET_ACCESS_KEY: 'secret',
}

describe('embedded mode', () => {
  it.each([
    [{}, true],
    [{ HOST: '127.0.0.1', DATABASE_URL: 'postgres://x/y' }, true],
    [{ HOST: '::1' }, true],
    [{ HOST: '0.0.0.0', ...KEYS }, false],
    [{ ...STORE, ...KEYS }, false],
  ])('with %j is %s', (environment, embedded) => {
    const config = parseConfig(environment)
    expect([config.embedded, config.allowPrivateTargets]).toEqual([embedded, embedded])
  })
})

describe('one process of many', () => {
  it.each([
    [{}, { sessionDays: 90, deliveryDays: 90, eventDays: 90 }],
    [
      { RETENTION_DAYS: '30', RETENTION_EVENTS_DAYS: '400' },
      { sessionDays: 30, deliveryDays: 30, eventDays: 400 },
    ],
    [
      { RETENTION_DAYS: '0', RETENTION_DELIVERIES_DAYS: '14' },
      { sessionDays: undefined, deliveryDays: 14, eventDays: undefined },
    ],
  ])('with %j keeps rows as it is told', (environment, retention) => {
    expect(parseConfig(environment).retention).toEqual(retention)
  })

  it('refuses to remove what is still looked into', () => {
    expect(() => parseConfig({ RETENTION_DAYS: '13' })).toThrow('RETENTION_DAYS')
  })

  it.each([
    [{}, 0],
    [{ DRAIN_SECONDS: '7' }, 7],
    [{ ...STORE, ...KEYS }, 5],
  ])('with %j drains for %i seconds', (environment, seconds) => {
    expect(parseConfig(environment).drainSeconds).toBe(seconds)
  })
})

it('reports all faults together, by name', () => {
  const attempt = () => parseConfig({ PORT: '99999', ADMIN_KEY: 'short', SECRET_KEYS: 'k1:abc' })
  for (const name of ['PORT', 'ADMIN_KEY', 'SECRET_KEYS']) expect(attempt).toThrow(name)
})

it('refuses two keys of one name: only one of them could ever be found', () => {
  const key = (byte: number) => `k1:${Buffer.alloc(32, byte).toString('base64url')}`

  expect(() => parseConfig({ SECRET_KEYS: `${key(1)},${key(2)}` })).toThrow(
    'SECRET_KEYS: must give each key a kid of its own',
  )
})

it('needs each part of a store, in STORE_ variables and in STORES', () => {
  expect(() => parseConfig({ ...KEYS, STORE_DIALECT: 'oss' })).toThrow('STORE_SECRET_ACCESS_KEY')
  expect(() => parseConfig({ ...KEYS, STORES: '[{"name":"x"}]' })).toThrow('STORES[0].bucket')
  expect(() => parseConfig({ ...KEYS, STORES: 'rubbish' })).toThrow('STORES')
})

it('takes what an operator says of the bucket', () => {
  const parse = (more: Record<string, string>) => parseConfig({ ...KEYS, ...STORE, ...more })
  expect(parse({ STORE_EXCLUSIVE: 'true', STORE_CLEANUP_DAYS: '3' }).stores[0]).toMatchObject({
    exclusive: true,
    cleanupDays: 3,
  })
  expect(parse({}).stores[0]?.exclusive).toBeUndefined()
  expect(() => parse({ STORE_EXCLUSIVE: 'yes' })).toThrow('STORE_EXCLUSIVE')
  expect(() => parse({ STORE_CLEANUP_DAYS: '0' })).toThrow('STORE_CLEANUP_DAYS')
})

describe('CALLBACK_URLS', () => {
  const parse = (urls: string) => parseConfig({ CALLBACK_URLS: urls }).callbackUrls
  const many = (count: number) =>
    Array.from({ length: count }, (_, index) => `https://a${index}.example`).join(',')

  it('lists one to five addresses, in order, and is absent by default', () => {
    expect(parse('https://b.example/up/, http://a.example')).toEqual([
      'https://b.example/up',
      'http://a.example',
    ])
    expect(parse(many(5))).toHaveLength(5)
    expect(parseConfig({}).callbackUrls).toBeUndefined()
  })

  it.each([
    many(6),
    'https://a.example,https://a.example/',
    'https://a.example,',
    'a.example',
    'ftp://a.example',
    'https://a.example/?b=1',
    'https://a.example/#b',
    'https://user@a.example',
    'https://a.example/x;y',
    `https://a.example/${'x'.repeat(300)}`,
  ])('refuses %s', (urls) => {
    expect(() => parse(urls)).toThrow('CALLBACK_URLS')
  })
})

describe('the endpoints of a store', () => {
  const parse = (more: Record<string, string>) => parseConfig({ ...KEYS, ...STORE, ...more })

  it('are a URL or a kind', () => {
    expect(parse({}).stores[0]).toMatchObject({ endpoint: 'public' })
    const stores = parse({
      STORE_ENDPOINT: 'internal',
      STORE_PUBLIC_ENDPOINT: 'https://cdn.example.com/',
    }).stores
    expect(stores[0]).toMatchObject({
      endpoint: 'internal',
      publicEndpoint: 'https://cdn.example.com',
    })
  })

  it.each([
    'internal',
    'https://oss-cn-hangzhou-internal.aliyuncs.com',
    'http://oss-cn-hangzhou.aliyuncs.com',
  ])('do not hand %s to clients', (endpoint) => {
    expect(() => parse({ STORE_PUBLIC_ENDPOINT: endpoint })).toThrow('STORE_PUBLIC_ENDPOINT')
  })

  it('need a role that looks like one', () => {
    expect(() => parse({ STORE_ROLE_ARN: 'arn:aws:iam::1:role/x' })).toThrow('STORE_ROLE_ARN')
  })
})

it('names the stores alone for a tool that needs none of the service’s keys', () => {
  const { stores, dataDirectory } = parseStoreConfigs({ ...STORE, DATA_DIR: '/data' })
  expect(stores.map(({ name, bucket }) => [name, bucket])).toEqual([['default', 'my-bucket']])
  expect(dataDirectory).toBe('/data')
  expect(parseStoreConfigs({}).stores).toEqual([])
  expect(() => parseStoreConfigs({ ...STORE, STORE_BUCKET: '' })).toThrow('STORE_BUCKET')
})
