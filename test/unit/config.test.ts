// The environment: defaults, every fault by its variable's name, and embedded mode.
import { describe, expect, it } from 'vitest'
import { ConfigError, parseConfig, parseStoreConfigs, VARIABLES } from '../../src/config.ts'
import { USUAL_NAMES } from '../support/usual-environment.ts'

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
const S3 = {
  ...KEYS,
  STORE_DIALECT: 's3',
  STORE_BUCKET: 'my-bucket',
  STORE_ENDPOINT: 'https://s3.example.com',
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

  it('refuses a retention so short that rows still needed would go', () => {
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

it('refuses two keys of one name, because only one could be found', () => {
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

it('accepts the operator’s statements about the bucket', () => {
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

describe('the notifications of a store', () => {
  const parse = (notifications: unknown) =>
    parseConfig({ ...KEYS, ...STORE, STORE_NOTIFICATIONS: JSON.stringify(notifications) })
  const secret = 's'.repeat(24)

  it('are a list of sources, in the variable and in STORES', () => {
    const list = [
      { source: 'generic', secret },
      { source: 'sns', topicArn: 'arn:aws-cn:sns:cn-north-1:123456789012:uploads' },
    ]
    const more = { ...parse(list).stores[0], name: 'more', notifications: [{ source: 'r2' }] }
    const config = parseConfig({ ...KEYS, STORES: JSON.stringify([more]) })

    expect(parse(list).stores[0]!.notifications).toEqual([
      list[0],
      { ...list[1], allowVersion1: true },
    ])
    expect(config.stores[0]!.notifications).toEqual([{ source: 'r2' }])
  })

  it.each([
    ['rubbish'],
    [[{ source: 'smoke' }]],
    [[{ source: 'generic' }]],
    [[{ source: 'generic', secret: 'short' }]],
    [[{ source: 'generic', secret: `${secret}\n` }]],
    [[{ source: 'sns', topicArn: 'arn:aws:sns:s3:123456789012:uploads' }]],
    [[{ source: 'mns', accountId: 'me', topic: 'uploads' }]],
    [[{ source: 'r2', secret }]],
    [Array.from({ length: 17 }, () => ({ source: 'r2' }))],
  ])('%j is refused by the variable’s name, without its value', (notifications) => {
    expect(() => parse(notifications)).toThrow(/^STORE_NOTIFICATIONS: /)
    expect(() => parse(notifications)).not.toThrow(secret)
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

  it('need a well-formed role', () => {
    expect(() => parse({ STORE_ROLE_ARN: 'arn:aws:iam::1:role/x' })).toThrow('STORE_ROLE_ARN')
  })
})

it('returns only the stores for a tool that needs no service keys', () => {
  const { stores, dataDirectory } = parseStoreConfigs({ ...STORE, DATA_DIR: '/data' })
  expect(stores.map(({ name, bucket }) => [name, bucket])).toEqual([['default', 'my-bucket']])
  expect(dataDirectory).toBe('/data')
  expect(parseStoreConfigs({}).stores).toEqual([])
  expect(() => parseStoreConfigs({ ...STORE, STORE_BUCKET: '' })).toThrow('STORE_BUCKET')
})

/** The faults, one a line. */
function faultsOf(environment: Record<string, string>): string[] {
  try {
    parseConfig(environment)
    return []
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.message.split('\n')
  }
}

describe('a misspelt setting', () => {
  it.each([
    ['STORE_DIALET', 'STORE_DIALECT'],
    ['STORE_DIALECTS', 'STORE_DIALECT'],
    ['STORE_REIGON', 'STORE_REGION'],
    ['DATABASE_URI', 'DATABASE_URL'],
    ['database_url', 'DATABASE_URL'],
    ['CALLBACK_URL', 'CALLBACK_URLS'],
    ['STORE', 'STORES'],
    ['DATADIR', 'DATA_DIR'],
  ])('%s is refused, and %s named', (misspelt, meant) => {
    expect(faultsOf({ [misspelt]: 'x' })).toEqual([
      `${misspelt}: is no setting; is ${meant} meant? Correct or unset it`,
    ])
    expect(() => parseStoreConfigs({ [misspelt]: 'x' })).toThrow(meant)
  })

  it('is reported together with the other faults', () => {
    expect(faultsOf({ STORE_DIALET: 'oss', PORT: 'x' })).toEqual([
      'STORE_DIALET: is no setting; is STORE_DIALECT meant? Correct or unset it',
      'PORT: must be a number',
    ])
  })

  it('is ignored if the right one is set, if it is empty, or if Kubernetes set it', () => {
    expect(
      faultsOf({
        LOG_LEVEL: 'info',
        LOG_LEVELS: 'debug',
        STORE_DIALET: '',
        STORES_PORT: 'tcp://10.0.0.1:80',
      }),
    ).toEqual([])
  })

  it('is never a variable of usual environments', () => {
    const ours = new Set(VARIABLES.map(({ name }) => name))
    const usual = USUAL_NAMES.filter((name) => !ours.has(name))
    expect(usual.length).toBeGreaterThan(500)
    expect(faultsOf(Object.fromEntries(usual.map((name) => [name, 'x'])))).toEqual([])
  })
})

describe('faults are reported in words', () => {
  const urls = 'must be an http or https URL such as https://uploads.example.com'
  it.each<[Record<string, string>, string[]]>([
    [{ PORT: 'abc' }, ['PORT: must be a number']],
    [{ PORT: '99999' }, ['PORT: must be at most 65535']],
    [{ PORT: '80.5' }, ['PORT: must be a whole number']],
    [
      { DRAIN_SECONDS: '-1', WEBHOOK_ALLOW_PRIVATE: 'yes' },
      ['WEBHOOK_ALLOW_PRIVATE: must be true or false', 'DRAIN_SECONDS: must be at least 0'],
    ],
    [{ LOG_LEVEL: 'verbose' }, ['LOG_LEVEL: must be debug, info, warn or error']],
    [{ PUBLIC_URL: 'example.com' }, [`PUBLIC_URL: ${urls}`]],
    [
      { DATABASE_URL: 'localhost:5432' },
      ['DATABASE_URL: must be like postgres://user:password@host:5432/database'],
    ],
    [
      { HOST: '0.0.0.0' },
      [
        'ADMIN_KEY: is not set; outside embedded mode it is needed (24 characters or more)',
        'SECRET_KEYS: is not set; outside embedded mode it is needed (kid:base64url of 32 random bytes)',
      ],
    ],
    [{ ...STORE, ...KEYS, STORE_DIALECT: 'gcs' }, ['STORE_DIALECT: must be oss or s3']],
    [
      { ...S3, STORE_PRODUCT: 'minoi' },
      ['STORE_PRODUCT: must be aws, r2, minio, ceph, gcs, b2, wasabi or generic'],
    ],
    [
      { ...S3, STORE_ENDPOINT: 'https://s3.example.com/bucket' },
      [
        'STORE_ENDPOINT: must be scheme and host only, such as https://s3.example.com: the bucket goes into STORE_BUCKET',
      ],
    ],
    [
      { ...S3, STORE_BUCKET: '10.0.0.1', STORE_REGION: 'EU' },
      [
        'STORE_REGION: must be like eu-central-1 or auto',
        'STORE_BUCKET: must be the name of a bucket: 3 to 63 of a-z, 0-9, dot and -, and no IP address',
      ],
    ],
    [{ ...S3, STORE_PRODUCT: 'aws' }, ['STORE_REGION: AWS S3 needs the bucket’s region']],
    [
      { ...S3, STORE_ENDPOINT: '', STORE_PRODUCT: 'r2' },
      ['STORE_ENDPOINT: Cloudflare R2 needs the store’s URL'],
    ],
    [
      { ...S3, STORE_PRODUCT: 'minio', STORE_EXCLUSIVE: 'true' },
      [
        'STORE_EXCLUSIVE: MinIO does not list uploads by prefix, so the sweep cannot find unknown ones: leave it out',
      ],
    ],
    [
      { ...KEYS, STORE_DIALECT: 'oss' },
      [
        'STORE_REGION: is not set',
        'STORE_BUCKET: is not set',
        'STORE_ACCESS_KEY_ID: is not set',
        'STORE_SECRET_ACCESS_KEY: is not set',
      ],
    ],
    [
      { ...KEYS, ...STORE, STORE_REGION: 'CN', STORE_BUCKET: 'B' },
      [
        'STORE_REGION: must be like cn-hangzhou',
        'STORE_BUCKET: must be the name of a bucket: 3 to 63 of a-z, 0-9 and -',
      ],
    ],
    [
      { ...KEYS, ...STORE, STORE_CREDENTIALS_EXPIRE_AT: 'tomorrow' },
      ['STORE_CREDENTIALS_EXPIRE_AT: must be a time in UTC such as 2026-01-31T12:00:00Z'],
    ],
    [{ ...KEYS, STORES: '{}' }, ['STORES: must be a JSON array of stores']],
    [{ ...KEYS, STORES: '[1]' }, ['STORES[0]: must be an object']],
    [
      { ...KEYS, STORES: JSON.stringify([{ name: 'x', dialect: 'oss', regoin: 'a' }]) },
      [
        'STORES[0].region: is not set',
        'STORES[0].bucket: is not set',
        'STORES[0].accessKeyId: is not set',
        'STORES[0].secretAccessKey: is not set',
        'STORES[0]: has no field regoin',
      ],
    ],
    [
      { PORT: '9000', STORE_PORT: '9000' },
      ['STORE_PORT: is the same as PORT; leave it out, or give another'],
    ],
  ])('%j', (environment, faults) => {
    expect(faultsOf(environment)).toEqual(faults)
  })

  it('without repeating a value, which may be a secret', () => {
    const secret = 'mysql://me:s3cret@host/x'
    const said = faultsOf({
      DATABASE_URL: secret,
      PUBLIC_URL: secret,
      SECRET_KEYS: secret,
      STORE_ENDPOINT: secret,
    })
    expect(said).toHaveLength(4)
    expect(said.join()).not.toContain('s3cret')
  })
})

it('the last port leaves a free one to the store', () => {
  expect(parseConfig({ PORT: '65535' }).storePort).toBe(0)
})
