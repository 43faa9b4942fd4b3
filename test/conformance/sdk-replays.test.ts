// Signed requests from the test suites of official SDKs that cannot run here (PHP, iOS, Android), replayed at their own time.
// The embedded store accepts them, and refuses them with any other signature. Host and body are not signed, so they are ours.
import { mkdtemp, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { percentEncode, percentEncodePath } from '../../src/bytes/encoding.ts'
import { type EmbeddedStore, startEmbeddedStore } from '../../src/embedded/store/index.ts'
import headerVectors from '../vectors/oss-v4-header.json' with { type: 'json' }
import presignVectors from '../vectors/oss-v4-presign.json' with { type: 'json' }

const SDKS = {
  PHP: 'aliyun-oss-php-sdk',
  iOS: 'aliyun-oss-ios-sdk',
  Android: 'aliyun-oss-android-sdk',
}
const BUCKET = 'bucket'
const BODY = 'what an app uploads'

interface Vector {
  id: string
  source?: string
  sources?: string[]
  input: {
    method: string
    bucket?: string | null
    key?: string | null
    query: string[][]
    headers: Record<string, string | undefined>
    timestamp_header?: string
    datetime: string
    security_token?: string
    region: string
  }
  expected: { authorization?: string; query?: Record<string, string | undefined> }
}

let store: EmbeddedStore
let directory = ''
let now = new Date()

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'countersign-replays-'))
  store = await startEmbeddedStore({
    directory,
    host: '127.0.0.1',
    port: 0,
    bucket: BUCKET,
    region: 'cn-hangzhou',
    accessKeyId: 'ak',
    secretAccessKey: 'sk',
    clock: () => now,
    fetch,
    log: () => {},
  })
})

afterAll(async () => {
  await store.close()
  await rm(directory, { recursive: true, force: true })
})

/** Sends the request without changing its path or header names. */
async function replay({ input, expected }: Vector, tamper = (text: string) => text) {
  const { method, key, query, datetime } = input
  now = new Date(
    datetime.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'),
  )
  const pairs = [...query, ...Object.entries(expected.query ?? {})]
    .map(([name = '', value = '']) =>
      value === '' ? percentEncode(name) : `${percentEncode(name)}=${percentEncode(value)}`,
    )
    .join('&')
  const { authorization } = expected
  const sent = request({
    host: '127.0.0.1',
    port: store.port,
    method,
    path: `/${BUCKET}/${percentEncodePath(key ?? '')}?${authorization ? pairs : tamper(pairs)}`,
    headers: {
      ...(input.headers as Record<string, string>),
      ...(authorization
        ? {
            Authorization: tamper(authorization),
            [input.timestamp_header ?? 'x-oss-date']: datetime,
            'x-oss-content-sha256': 'UNSIGNED-PAYLOAD',
          }
        : {}),
      'Content-Length': String(BODY.length),
    },
  }).end(BODY)
  return new Promise<{ status?: number; body: string }>((resolve, reject) => {
    sent.on('error', reject)
    sent.on('response', async (answer) =>
      resolve({ status: answer.statusCode, body: await text(answer) }),
    )
  })
}

const otherSignature = (text: string) =>
  text.replace(/(ignature=)([0-9a-f])/, (_, name, digit) => name + (digit === '0' ? '1' : '0'))

const vectors: Vector[] = [...headerVectors.vectors, ...presignVectors.vectors]

describe.each(Object.entries(SDKS))('%s', (_name, repository) => {
  // Another store's security token cannot be replayed, because each store issues its own.
  const theirs = vectors.filter(
    ({ source, sources = [source ?? ''], input }) =>
      input.region === 'cn-hangzhou' &&
      input.security_token === undefined &&
      sources.some((text) => text.includes(repository)),
  )

  test('has requests to replay', () => expect(theirs.length).toBeGreaterThan(0))

  test.each(theirs.map((vector) => [vector.id, vector] as const))(
    '%s is taken',
    async (_, vector) => {
      expect(await replay(vector)).toEqual({ status: 200, body: '' })
      const refused = await replay(vector, otherSignature)
      expect(refused.status).toBe(403)
      expect(refused.body).toContain('<Code>SignatureDoesNotMatch</Code>')
    },
  )
})
