// Temporary credentials for a session's key, for a prefix, and in the form that the mobile SDKs expect. The embedded store
// assumes the role and enforces the session policy, so it really refuses what the credentials do not allow.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Answer, type Harness, someBytes, startHarness } from '../support/harness.ts'
import { holderOf } from '../support/holder.ts'

const POLICY = { credentials: true, maxSizeBytes: 1_000_000 }

let harness: Harness
let app: { id: string; apiKey: string; keyPrefix: string }

beforeAll(async () => {
  harness = await startHarness()
})
afterAll(() => harness.stop())
beforeEach(async () => {
  app = await harness.createApp(POLICY)
})
afterEach(() => harness.interceptStore((forward) => forward))

const ask = (body: Record<string, unknown>, credential = app.apiKey) =>
  harness.call('POST', '/v1/credentials', credential, body)

const begin = (body: Record<string, unknown> = {}) =>
  ask({ subject: 'ada', filename: 'film.bin', sizeBytes: 1000, ...body })

const status = async (id: string) =>
  (await harness.call('GET', `/v1/uploads/${id}`, app.apiKey)).body

/** Sends one request with these credentials alone. */
async function byHolder(
  { body: issued }: Answer,
  method: 'PUT' | 'GET' | 'DELETE' | 'POST',
  key: string,
  options: { body?: Uint8Array<ArrayBuffer>; query?: [string, string][] } = {},
): Promise<{ status: number; code?: string; text: string }> {
  const { url, headers } = holderOf(issued).byHeader(
    { method, key, query: options.query },
    harness.clock(),
  )
  const answer = await fetch(url, { method, headers, body: options.body })
  const text = await answer.text()
  return { status: answer.status, code: /<Code>(\w+)/.exec(text)?.[1], text }
}

const usage = async () => {
  const { uploads } = harness.services
  const listed = await uploads.list(app.id, { limit: 10 })
  return listed.map(({ state, storageReleasedAt }) => [state, storageReleasedAt !== undefined])
}

describe('credentials for one upload', () => {
  it('fit into a session policy with the longest filename and subject', async () => {
    const issued = await begin({ filename: '文'.repeat(255), subject: '文'.repeat(30) })

    expect(issued.status).toBe(201)
    expect(issued.body.key.length).toBeGreaterThan(255)
  })

  it('reach the store, and their object completes the session', async () => {
    const bytes = someBytes(1000)

    const issued = await begin()
    expect(issued.status).toBe(201)
    expect(issued.headers.get('cache-control')).toBe('no-store')
    expect(issued.body).toMatchObject({
      uploadId: expect.stringMatching(/^upl_/),
      accessKeyId: expect.stringMatching(/^STS\./),
      endpoint: harness.store.url,
      region: 'local',
      bucket: 'bucket',
      key: `${app.keyPrefix}/ada/${issued.body.uploadId}/film.bin`,
      complete: { direct: false },
    })
    const life = Date.parse(issued.body.expiresAt) - harness.clock().getTime()
    expect(life).toBeGreaterThan(15 * 60_000)
    expect(life).toBeLessThanOrEqual(3_600_000)
    const put = await byHolder(issued, 'PUT', issued.body.key, { body: bytes })
    expect(put.status).toBe(200)
    const { uploadId, completionToken } = issued.body
    const done = await harness.call('POST', `/v1/uploads/${uploadId}/complete`, completionToken, {})

    expect(done).toMatchObject({
      status: 200,
      body: { state: 'completed', method: 'credentials', object: { sizeBytes: 1000 } },
    })
  })

  it('allow neither another key nor reading nor deleting', async () => {
    const issued = await begin()
    const { key } = issued.body
    await byHolder(issued, 'PUT', key, { body: someBytes(10) })

    const refusals = await Promise.all([
      byHolder(issued, 'PUT', `${key}x`, { body: someBytes(1) }),
      byHolder(issued, 'PUT', key.replace('/ada/', '/bob/'), { body: someBytes(1) }),
      byHolder(issued, 'GET', key),
      byHolder(issued, 'DELETE', key),
      byHolder(issued, 'GET', '', { query: [['uploads', '']] }),
    ])

    expect(refusals.map(({ code }) => code)).toEqual(Array(5).fill('AccessDenied'))
  })

  it('complete with any size up to the reservation if none was declared', async () => {
    const issued = await begin({ sizeBytes: undefined })
    await byHolder(issued, 'PUT', issued.body.key, { body: someBytes(777) })

    const { uploadId, completionToken } = issued.body
    const done = await harness.call('POST', `/v1/uploads/${uploadId}/complete`, completionToken, {})

    expect(done).toMatchObject({ status: 200, body: { object: { sizeBytes: 777 } } })
  })

  it('fail the session and lose the object if its size differs from the declared one', async () => {
    const issued = await begin()
    await byHolder(issued, 'PUT', issued.body.key, { body: someBytes(999) })

    const { uploadId, completionToken } = issued.body
    const done = await harness.call('POST', `/v1/uploads/${uploadId}/complete`, completionToken, {})

    expect(done).toMatchObject({ status: 409, body: { code: 'object-mismatch' } })
    expect(await status(uploadId)).toMatchObject({ state: 'failed', failure: 'object-mismatch' })
    expect(await harness.services.storeNamed('default').head(issued.body.key)).toBeUndefined()
  })

  it('are found by the sweep when nobody completes', async () => {
    const issued = await begin()
    await byHolder(issued, 'PUT', issued.body.key, { body: someBytes(1000) })

    harness.advance({ minutes: 20 })
    await harness.sweep()

    expect((await status(issued.body.uploadId)).state).toBe('completed')
  })

  it('hold the quota after an abort until they expire, and later objects are removed', async () => {
    const issued = await begin()
    await harness.call('DELETE', `/v1/uploads/${issued.body.uploadId}`, app.apiKey)
    const late = await byHolder(issued, 'POST', issued.body.key, { query: [['uploads', '']] })
    expect(late.status).toBe(200)
    await byHolder(issued, 'PUT', issued.body.key, { body: someBytes(1000) })

    harness.advance({ minutes: 5 })
    await harness.sweep()
    expect(await usage()).toEqual([['aborted', false]])
    harness.advance({ minutes: 61 })
    await harness.sweep()
    harness.advance({ minutes: 2 })
    await harness.sweep()

    expect(await usage()).toEqual([['aborted', true]])
    const store = harness.services.storeNamed('default')
    expect(await store.head(issued.body.key)).toBeUndefined()
    expect(await store.listUploads(issued.body.key)).toEqual([])
  })

  it('are issued again for the same session, to its owner only', async () => {
    const issued = await begin()
    const { uploadId, key, uploadToken } = issued.body

    const again = await ask({ uploadId })

    expect(again.body).toMatchObject({ uploadId, key })
    expect(again.body.accessKeyId).not.toBe(issued.body.accessKeyId)
    expect((await byHolder(again, 'PUT', key, { body: someBytes(1) })).status).toBe(200)
    const other = await harness.createApp(POLICY)
    expect(await ask({ uploadId }, other.apiKey)).toMatchObject({
      status: 404,
      body: { code: 'upload-not-found' },
    })
    expect(await ask({ uploadId }, uploadToken)).toMatchObject({ status: 403 })
  })

  it('are not issued for a session that uses URLs, and a session without URLs gets no parts signed', async () => {
    const upload = await harness.call('POST', '/v1/uploads', app.apiKey, {
      subject: 'ada',
      filename: 'x',
      sizeBytes: 10,
    })
    expect(await ask({ uploadId: upload.body.id })).toMatchObject({ status: 403 })

    const { uploadId, uploadToken } = (await begin()).body
    const parts = await harness.call('POST', `/v1/uploads/${uploadId}/parts`, uploadToken, {
      partNumbers: [1],
    })
    expect(parts).toMatchObject({ status: 400, body: { code: 'invalid-request' } })
  })

  it('leave nothing reserved if the role cannot be assumed', async () => {
    harness.interceptStore(
      (forward) => async (input, init) =>
        new Headers(init?.headers).get('x-acs-action') === 'AssumeRole'
          ? Response.json({ Code: 'NoPermission', Message: 'no' }, { status: 403 })
          : forward(input, init),
    )

    const refused = await begin()

    expect(refused).toMatchObject({
      status: 503,
      body: { code: 'storage-unavailable', storeCode: 'NoPermission' },
    })
    expect(await usage()).toEqual([['failed', true]])
  })
})

describe('credentials are refused', () => {
  const forbidden = (detail: RegExp) => ({
    status: 403,
    body: { code: 'forbidden', detail: expect.stringMatching(detail) },
  })

  it('if the policy does not offer them', async () => {
    app = await harness.createApp({})

    expect(await begin()).toMatchObject(forbidden(/does not offer/))
    expect(await ask({ prefix: 'imports' })).toMatchObject(forbidden(/does not offer/))
  })

  it('if the key would not contain the session’s id', async () => {
    app = await harness.createApp({ ...POLICY, keyTemplate: '{subject}/{filename}' })

    expect(await begin()).toMatchObject(forbidden(/\{uploadId\}/))
    expect(await usage()).toEqual([])
  })

  it('if the key has a wildcard or looks like a policy variable', async () => {
    expect(await begin({ filename: 'a${b}' })).toMatchObject({
      status: 400,
      body: { errors: [{ pointer: '/filename' }] },
    })
    app = await harness.createApp({ ...POLICY, keyTemplate: '*/{uploadId}' })
    expect(await begin()).toMatchObject({ status: 400 })
    for (const prefix of ['a*', 'a?', 'a/../b', '/a', '/', 'a//b']) {
      expect(await ask({ prefix }), prefix).toMatchObject({
        status: 400,
        body: { errors: [{ pointer: '/prefix' }] },
      })
    }
  })

  it('if the body asks for two things at once, or nothing', async () => {
    for (const body of [{}, { filename: 'a', prefix: 'b' }, { filename: 'a', uploadId: 'upl_x' }]) {
      expect(await ask({ subject: 'ada', ...body })).toMatchObject({
        status: 400,
        body: { code: 'invalid-request' },
      })
    }
  })

  it('to a grant that is for something else, and to a prefix for anything but an api key', async () => {
    const grant = async (use: string) =>
      (await harness.call('POST', '/v1/grants', app.apiKey, { subject: 'ada', use })).body.grant

    expect(await ask({ filename: 'a' }, await grant('api'))).toMatchObject(forbidden(/for "api"/))
    expect(await ask({ prefix: 'a' }, await grant('credentials'))).toMatchObject(
      forbidden(/Only an api key/),
    )
    const upload = { filename: 'a', sizeBytes: 1 }
    expect(
      await harness.call('POST', '/v1/uploads', await grant('credentials'), upload),
    ).toMatchObject(forbidden(/for "credentials"/))
  })
})

describe('credentials for a prefix', () => {
  it('reach everything below it and nothing beside it', async () => {
    const issued = await ask({ prefix: 'imports/2026/' })

    expect(issued.status).toBe(201)
    expect(issued.body.prefix).toBe(`${app.keyPrefix}/imports/2026/`)
    expect(issued.body.uploadId).toBeUndefined()
    const put = (key: string) => byHolder(issued, 'PUT', key, { body: someBytes(3) })
    expect((await put(`${app.keyPrefix}/imports/2026/a/b`)).status).toBe(200)
    expect((await put(`${app.keyPrefix}/imports/2026x`)).code).toBe('AccessDenied')
    expect((await put(`${app.keyPrefix}/imports/2025/a`)).code).toBe('AccessDenied')
  })
})

describe('GET /oss/credentials/{grant}, as the mobile SDKs read it', () => {
  const mint = async (body: Record<string, unknown> = {}) =>
    (
      await harness.call('POST', '/v1/grants', app.apiKey, {
        subject: 'ada',
        use: 'credentials',
        ...body,
      })
    ).body as { id: string; grant: string }
  const fetchWith = (grant: string) => harness.call('GET', `/oss/credentials/${grant}`)
  const refused = (code: string) => ({
    status: 200,
    body: { StatusCode: 500, ErrorCode: code, ErrorMessage: expect.any(String) },
  })

  it('answers the open session’s credentials in their exact fields', async () => {
    const { grant } = await mint()
    const { body: begun } = await ask({ filename: 'a', sizeBytes: 3 }, grant)

    const answer = await fetchWith(grant)

    expect(answer.body).toEqual({
      StatusCode: 200,
      AccessKeyId: expect.stringMatching(/^STS\./),
      AccessKeySecret: expect.any(String),
      SecurityToken: expect.any(String),
      Expiration: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
    })
    expect(answer.headers.get('cache-control')).toBe('no-store')
    expect(answer.headers.get('referrer-policy')).toBe('no-referrer')
    const { AccessKeyId, AccessKeySecret, SecurityToken } = answer.body
    const keys = {
      accessKeyId: AccessKeyId,
      secretAccessKey: AccessKeySecret,
      sessionToken: SecurityToken,
    }
    const put = await byHolder({ ...answer, body: { ...begun, ...keys } }, 'PUT', begun.key, {
      body: someBytes(3),
    })
    expect(put.status).toBe(200)
  })

  it('continues after the grant has expired, but only for the session it began', async () => {
    const { grant } = await mint({ ttlSeconds: 60 })
    await ask({ filename: 'a', sizeBytes: 3 }, grant)
    harness.advance({ minutes: 2 })

    expect((await fetchWith(grant)).body.StatusCode).toBe(200)
    expect(await ask({ filename: 'b', sizeBytes: 3 }, grant)).toMatchObject({ status: 401 })
  })

  it('says that a grant has expired where it began no session', async () => {
    const { grant } = await mint({ ttlSeconds: 60 })
    harness.advance({ minutes: 2 })

    const answer = await fetchWith(grant)

    expect(answer).toMatchObject(refused('unauthenticated'))
    expect(answer.body.ErrorMessage).toContain('expired')
  })

  it('reports a refusal with HTTP 200, because the SDKs read no other body', async () => {
    const { id, grant } = await mint()
    expect(await fetchWith(grant)).toMatchObject(refused('upload-not-found'))
    await ask({ filename: 'a', sizeBytes: 3 }, grant)
    await harness.call('DELETE', `/v1/grants/${id}`, app.apiKey)
    expect(await fetchWith(grant)).toMatchObject(refused('grant-revoked'))
    expect(await fetchWith('nonsense')).toMatchObject(refused('unauthenticated'))
    const { grant: other } = await mint({ use: 'api' })
    expect(await fetchWith(other)).toMatchObject(refused('forbidden'))
  })

  it('leaves no grant in the log, only its id', async () => {
    const { id, grant } = await mint()

    await fetchWith(grant)
    await fetchWith('not-a-grant')

    const paths = harness.lines.filter((line) => line.includes('/oss/credentials/'))
    expect(paths.some((line) => line.includes(`/oss/credentials/${id}"`))).toBe(true)
    expect(paths.some((line) => line.includes('/oss/credentials/{grant}"'))).toBe(true)
    expect(harness.lines.join('\n')).not.toContain(grant.split('.')[2])
    expect(harness.lines.join('\n')).not.toContain('not-a-grant')
  })
})
