// `countersign bucket` against the embedded store: its findings, the settings it writes, and those it leaves alone.
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type EmbeddedStore, startEmbeddedStore } from '../../src/embedded/store/index.ts'
import { oss4DateTime, signHeaders } from '../../src/signing/oss4.ts'
import { type Service, startService } from '../support/service.ts'

const CLI = fileURLToPath(new URL('../../bin/countersign.js', import.meta.url))
const CREDENTIALS = { accessKeyId: 'key', secretAccessKey: 'secret' }
const BUCKET = 'uploads-bucket'
const GIVEN = ['--prefix', 'photos', '--prefix=team/video/', '--origin', 'https://app.example.com']

interface Run {
  code: number | null
  output: string
  json(): any
}

function countersign(environment: Record<string, string>, ...args: string[]): Promise<Run> {
  const child = spawn(process.execPath, [CLI, 'bucket', ...args], {
    env: { PATH: process.env.PATH, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString()
  })
  child.stderr.on('data', (chunk: Buffer) => {
    output += chunk.toString()
  })
  return new Promise((resolve) =>
    child.once('close', (code) => resolve({ code, output, json: () => JSON.parse(output) })),
  )
}

describe('with a store named by STORE_…', () => {
  let directory: string
  let store: EmbeddedStore
  let environment: Record<string, string>
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'countersign-bucket-'))
    store = await startEmbeddedStore({
      directory,
      host: '127.0.0.1',
      port: 0,
      bucket: BUCKET,
      region: 'local',
      ...CREDENTIALS,
      clock: () => new Date(),
      fetch,
      log: () => {},
    })
    environment = {
      STORE_DIALECT: 'oss',
      STORE_ENDPOINT: store.url,
      STORE_REGION: 'local',
      STORE_BUCKET: BUCKET,
      STORE_ACCESS_KEY_ID: CREDENTIALS.accessKeyId,
      STORE_SECRET_ACCESS_KEY: CREDENTIALS.secretAccessKey,
    }
    return async () => {
      await store.close()
      await rm(directory, { recursive: true })
    }
  })

  async function setting(
    method: string,
    name: string,
    body?: string,
    headers: Record<string, string> = {},
  ) {
    const request = { method, bucket: BUCKET, key: '', query: [[name, '']] as const, headers }
    const scope = { dateTime: oss4DateTime(new Date()), region: 'local' }
    const answer = await fetch(`${store.url}/${BUCKET}/?${name}`, {
      method,
      headers: signHeaders(request, CREDENTIALS, scope),
      // Sent as bytes, because for a text fetch would add a Content-Type, which is signed.
      body: body === undefined ? undefined : Buffer.from(body),
    })
    const text = await answer.text()
    expect(answer.ok, text).toBe(true)
    return text
  }

  it('says what is missing, adds it, and then finds nothing to do', async () => {
    const before = await countersign(environment, 'check', ...GIVEN)
    expect(before.code).toBe(1)
    expect(before.output).toBe(`Bucket ${BUCKET} at ${store.url} (store "default")

  ✗ CORS        browsers on https://app.example.com cannot upload
                → Add a rule: PUT, POST, GET, HEAD and DELETE with all headers, ETag exposed.
  ✗ Lifecycle   photos/: abandoned parts stay for ever, and are billed
  ✗             team/video/: abandoned parts stay for ever, and are billed
                → Add a rule that aborts multipart uploads after 8 days.
  ✓ ACL         private
  ✓ Versioning  never enabled

3 settings are missing. Run "countersign bucket apply" to add them.
`)

    const applied = await countersign(environment, 'apply', ...GIVEN)
    expect(applied.code, applied.output).toBe(0)
    expect(applied.output).toContain('+ CORS: added rule 1 for https://app.example.com\n')
    expect(applied.output).toContain('+ Lifecycle: wrote rule "countersign-abort-team/video"')
    expect(applied.output).toContain('All changes are written and verified.')
    const [cors, lifecycle] = [await setting('GET', 'cors'), await setting('GET', 'lifecycle')]

    const again = await countersign(environment, 'apply', ...GIVEN)
    expect(again.code).toBe(0)
    expect(again.output).toContain('Nothing needed to change.')
    expect(await setting('GET', 'cors')).toBe(cors)
    expect(await setting('GET', 'lifecycle')).toBe(lifecycle)
    expect((await countersign(environment, 'check', ...GIVEN)).code).toBe(0)

    const preflight = await fetch(`${store.url}/${BUCKET}/photos/a.bin`, {
      method: 'OPTIONS',
      headers: {
        origin: 'https://app.example.com',
        'access-control-request-method': 'PUT',
        'access-control-request-headers': 'content-md5',
      },
    })
    expect(preflight.status).toBe(200)
    expect(preflight.headers.get('access-control-expose-headers')).toContain('ETag')
  })

  it('carries foreign rules over element for element', async () => {
    const corsRule =
      '<CORSRule><AllowedOrigin>https://cdn.example.org</AllowedOrigin><AllowedMethod>GET</AllowedMethod><MaxAgeSeconds>5</MaxAgeSeconds></CORSRule>'
    const rules =
      '<Rule><ID>a &amp; b</ID><Prefix>logs/</Prefix><Status>Enabled</Status><Transition><Days>30</Days><StorageClass>IA</StorageClass><IsAccessTime>false</IsAccessTime></Transition><NoncurrentVersionExpiration><NoncurrentDays>9</NoncurrentDays></NoncurrentVersionExpiration><Filter><Not><Prefix>logs/keep</Prefix><Tag><Key>k</Key><Value>v</Value></Tag></Not></Filter></Rule>' +
      '<Rule><ID>tmp</ID><Prefix>tmp/</Prefix><Status>Enabled</Status><AbortMultipartUpload><Days>1</Days></AbortMultipartUpload></Rule>'
    const vary = '<ResponseVary>false</ResponseVary>'
    await setting(
      'PUT',
      'cors',
      `<CORSConfiguration xmlns="http://doc.oss-cn-hangzhou.aliyuncs.com">${corsRule}${vary}</CORSConfiguration>`,
    )
    await setting('PUT', 'lifecycle', `<LifecycleConfiguration>${rules}</LifecycleConfiguration>`)

    const { code, output } = await countersign(environment, 'apply', ...GIVEN)

    expect(code, output).toBe(0)
    expect(output).toContain(
      'added rule 2 for https://app.example.com; the other rule is unchanged',
    )
    expect(output).toContain('the other 2 rules are unchanged')
    const cors = await setting('GET', 'cors')
    expect(cors).toContain(`.aliyuncs.com">${corsRule}<CORSRule>`)
    expect(cors).toContain(`</CORSRule>${vary}</CORSConfiguration>`)
    expect(await setting('GET', 'lifecycle')).toContain(rules)
  })

  it('writes again what was allowed to overlap', async () => {
    const expire = (id: string, prefix: string) =>
      `<Rule><ID>${id}</ID><Prefix>${prefix}</Prefix><Status>Enabled</Status><Expiration><Days>9</Days></Expiration></Rule>`
    const rules = expire('x', 'old/') + expire('y', 'old/er/')
    await setting('PUT', 'lifecycle', `<LifecycleConfiguration>${rules}</LifecycleConfiguration>`, {
      'x-oss-allow-same-action-overlap': 'true',
    })

    expect((await countersign(environment, 'apply', ...GIVEN)).code).toBe(0)
    expect(await setting('GET', 'lifecycle')).toContain(rules)
  })

  it('warns of what only the operator can judge, and does not touch it', async () => {
    await setting('PUT', 'acl', undefined, { 'x-oss-acl': 'public-read-write' })
    await setting(
      'PUT',
      'versioning',
      '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>',
    )
    const early =
      '<LifecycleConfiguration><Rule><ID>fast</ID><Prefix></Prefix><Status>Enabled</Status><AbortMultipartUpload><Days>3</Days></AbortMultipartUpload></Rule></LifecycleConfiguration>'
    await setting('PUT', 'lifecycle', early)

    const { code, output } = await countersign(environment, 'apply', ...GIVEN)

    expect(code, output).toBe(0)
    expect(output).toContain('anyone can write')
    expect(output).toContain('x-oss-forbid-overwrite is ignored')
    expect(output).toContain('rule "fast" for the whole bucket aborts uploads after 3 days')
    expect(output).toContain('Review the 4 warnings.')
    expect(await setting('GET', 'lifecycle')).toContain('<ID>fast</ID>')
  })

  it('answers in JSON, with what was changed', async () => {
    const run = await countersign(environment, 'apply', '--json', '--days', '31', ...GIVEN)
    expect(run.json()).toMatchObject({
      store: 'default',
      bucket: BUCKET,
      prefixes: ['photos/', 'team/video/'],
      origins: ['https://app.example.com'],
      complete: true,
      failures: [],
    })
    expect(run.json().changes).toHaveLength(3)
    expect(await setting('GET', 'lifecycle')).toContain('<Days>31</Days>')
  })

  it('prints the least RAM policies, and changes nothing', async () => {
    const run = await countersign(environment, 'apply', '--ram', '--prefix', 'photos')
    expect(run.code, run.output).toBe(0)
    expect(run.json().service.Statement[0].Resource).toEqual([`acs:oss:*:*:${BUCKET}/photos/*`])
    expect(Object.keys(run.json())).toEqual(['service', 'bucketApply', 'role', 'assumeRole'])
    const more = await countersign(environment, 'check', '--ram', '--processing', ...GIVEN)
    expect(Object.keys(more.json().processing)).toEqual(['oss-image', 'oss-async', 'media'])
    expect((await countersign(environment, 'check', ...GIVEN)).code).toBe(1)
  })

  it.each([
    ['a wrong secret', { STORE_SECRET_ACCESS_KEY: 'wrong' }, GIVEN, 1, 'SignatureDoesNotMatch'],
    [
      'a store that is not there',
      { STORE_ENDPOINT: 'http://127.0.0.1:9' },
      GIVEN,
      1,
      'does not answer',
    ],
    ['a store of another name', {}, ['--store', 'eu', ...GIVEN], 2, 'no store "eu"'],
    ['a misspelt option', {}, ['--prefx', 'a'], 2, 'Unknown option --prefx'],
    ['a prefix with a wildcard', {}, ['--prefix', 'a*', '--origin', '*'], 2, 'not a key prefix'],
    ['an origin with a path', {}, ['--prefix', 'a', '--origin', 'https://a.org/x'], 2, 'OSS takes'],
    ['days that are none', {}, [...GIVEN, '--days', '0'], 2, '--days'],
    ['no service to ask', { DATA_DIR: '/nonexistent' }, [], 2, '--url'],
    ['half a configuration', { STORE_BUCKET: '' }, GIVEN, 2, 'STORE_BUCKET'],
  ])('says in a line what is wrong with %s', async (_, changes, args, code, text) => {
    for (const command of ['check', 'apply']) {
      const run = await countersign({ ...environment, ...changes }, command, ...args)
      expect(run.code, run.output).toBe(code)
      expect(run.output).toContain(text)
      expect(run.output).not.toContain('    at ')
    }
  })
})

describe('in the folder of an embedded service', () => {
  let service: Service
  beforeAll(async () => {
    service = await startService()
  })
  afterAll(() => service.stop())

  it('takes store, prefixes and origins from there', async () => {
    const created = await fetch(`${service.url}/v1/apps`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${service.adminKey}`,
        'content-type': 'application/json',
      },
      body: JSON.stringify({
        name: 'photos',
        keyPrefix: 'photos',
        allowedOrigins: ['https://photos.example.com'],
      }),
    })
    expect(created.status).toBe(201)
    const environment = { DATA_DIR: service.dataDir }

    const applied = await countersign(environment, 'apply', '--json')

    expect(applied.code, applied.output).toBe(0)
    expect(applied.json()).toMatchObject({
      endpoint: service.storeUrl,
      origins: ['*', 'https://photos.example.com'],
      complete: true,
    })
    expect(applied.json().prefixes).toContain('photos/')
    expect(applied.json().prefixes).toHaveLength(2)
    expect((await countersign(environment, 'check')).code).toBe(0)
  })

  it('shows the generated admin key to no other service, and says when a key is wrong', async () => {
    const environment = { DATA_DIR: service.dataDir }
    const elsewhere = await countersign(environment, 'check', '--url', 'http://127.0.0.1:9')
    expect([elsewhere.code, elsewhere.output]).toEqual([2, expect.stringContaining('--admin-key')])

    const wrong = await countersign(environment, 'check', '--admin-key', 'wrong')
    expect([wrong.code, wrong.output]).toEqual([1, expect.stringContaining('unauthenticated')])

    const silent = ['--url', 'http://127.0.0.1:9', '--admin-key', 'x']
    const none = await countersign(environment, 'check', ...silent)
    expect([none.code, none.output]).toEqual([1, expect.stringContaining('does not answer')])
  })
})
