// Refused credentials, tokens and input: each has its own code, and leaves nothing half-done.
import { exportJWK, generateKeyPair, SignJWT, UnsecuredJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ADMIN_KEY, type Harness, putPart, someBytes, startHarness } from '../support/harness.ts'
import { query } from '../support/invariants.ts'

const KiB = 1024
const SECRET = 'a-shared-secret-of-32-characters!'
const ISSUER = 'https://id.example'
/** Prefix of the issuer's subjects, which its registrations name too. */
const PREFIX = 'id:'

let harness: Harness
let app: { id: string; apiKey: string }
let other: { id: string; apiKey: string }

beforeAll(async () => {
  harness = await startHarness()
  app = await harness.createApp({ readBack: false, direct: true })
  other = await harness.createApp()
  for (const audience of ['app', 'app-too']) {
    await harness.call('POST', `/v1/apps/${app.id}/issuers`, ADMIN_KEY, {
      issuer: ISSUER,
      audience,
      secret: SECRET,
      algorithms: ['HS256'],
      subjectPrefix: PREFIX,
    })
  }
})
afterAll(() => harness.stop())

const jwt = (claims: Record<string, unknown> = {}, secret = SECRET) =>
  new SignJWT({ sub: 'ada', aud: 'app', iss: ISSUER, ...claims })
    .setProtectedHeader({ alg: 'HS256' })
    .setExpirationTime(Math.floor(harness.clock().getTime() / 1000) + 600)
    .sign(new TextEncoder().encode(secret))

const create = (credential: string, body: Record<string, unknown> = {}) =>
  harness.call('POST', '/v1/uploads', credential, {
    filename: 'a.bin',
    sizeBytes: 250 * KiB,
    partSizeBytes: 100 * KiB,
    ...body,
  })

describe('a user JWT', () => {
  it('creates an upload for its subject, which nobody else sees', async () => {
    const token = await jwt()
    const created = await create(token)
    expect(created).toMatchObject({ status: 201, body: { subject: `${PREFIX}ada` } })

    const strangers = [await jwt({ sub: 'eve' }), other.apiKey]
    for (const stranger of strangers) {
      for (const [method, path] of [
        ['GET', ''],
        ['DELETE', ''],
        ['GET', '/object'],
      ] as const) {
        const answer = await harness.call(method, `/v1/uploads/${created.body.id}${path}`, stranger)
        expect(answer).toMatchObject({ status: 404, body: { code: 'upload-not-found' } })
      }
    }
    expect(
      (await harness.call('GET', '/v1/uploads', await jwt({ sub: 'eve' }))).body.uploads,
    ).toEqual([])
  })

  it.each([
    [
      'expired',
      () =>
        jwt({ exp: 1 }).then(async () =>
          new SignJWT({ sub: 'a', aud: 'app', iss: ISSUER })
            .setProtectedHeader({ alg: 'HS256' })
            .setExpirationTime(1)
            .sign(new TextEncoder().encode(SECRET)),
        ),
    ],
    [
      'without exp',
      () =>
        new SignJWT({ sub: 'a', aud: 'app', iss: ISSUER })
          .setProtectedHeader({ alg: 'HS256' })
          .sign(new TextEncoder().encode(SECRET)),
    ],
    ['without sub', () => jwt({ sub: undefined })],
    ['of another audience', () => jwt({ aud: 'elsewhere' })],
    ['of two registered audiences', () => jwt({ aud: ['app', 'app-too'] })],
    ['of another issuer', () => jwt({ iss: 'https://evil.example' })],
    ['signed with another secret', () => jwt({}, 'another-secret-of-32-characters!!')],
    [
      'tampered',
      async () => {
        const [head, , tail] = (await jwt()).split('.')
        const claims = { sub: 'eve', aud: 'app', iss: ISSUER, exp: 9e9 }
        return `${head}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.${tail}`
      },
    ],
    [
      'alg none',
      async () =>
        new UnsecuredJWT({ sub: 'a' })
          .setIssuer(ISSUER)
          .setAudience('app')
          .setExpirationTime('1h')
          .encode(),
    ],
    ['no token at all', async () => 'rubbish'],
  ])('%s is refused', async (_, token) => {
    const answer = await create(await token())

    expect(answer).toMatchObject({ status: 401, body: { code: 'unauthenticated' } })
    expect(answer.headers.get('www-authenticate')).toContain('Bearer')
  })

  it('is not verified with a public key as if it were a secret', async () => {
    const { publicKey, privateKey } = await generateKeyPair('ES256')
    const jwk = await exportJWK(publicKey)
    await harness.call('POST', `/v1/apps/${app.id}/issuers`, ADMIN_KEY, {
      issuer: 'https://es.example',
      audience: 'app',
      publicKeys: [jwk],
      algorithms: ['ES256'],
    })
    const claims = new SignJWT({ sub: 'ada' })
      .setIssuer('https://es.example')
      .setAudience('app')
      .setExpirationTime('1h')
    const good = await claims.setProtectedHeader({ alg: 'ES256' }).sign(privateKey)
    const forged = await new SignJWT({ sub: 'ada' })
      .setIssuer('https://es.example')
      .setAudience('app')
      .setExpirationTime('1h')
      .setProtectedHeader({ alg: 'HS256' })
      .sign(new TextEncoder().encode(JSON.stringify(jwk)))

    expect((await create(good)).status).toBe(201)
    expect((await create(forged)).status).toBe(401)
  })
})

describe('a grant', () => {
  const grant = async (body: Record<string, unknown>) =>
    (await harness.call('POST', '/v1/grants', app.apiKey, { subject: 'bob', ...body })).body

  it('creates as many uploads as it says, and not one more at the same time', async () => {
    const { grant: token } = await grant({ maxUploads: 3 })
    const answers = await Promise.all(Array.from({ length: 8 }, () => create(token)))

    expect(answers.filter(({ status }) => status === 201)).toHaveLength(3)
    for (const { status, body } of answers.filter((answer) => answer.status !== 201)) {
      expect([status, body.code]).toEqual([403, 'grant-exhausted'])
    }
  })

  it('that was revoked creates nothing', async () => {
    const { id, grant: token } = await grant({})
    await harness.call('DELETE', `/v1/grants/${id}`, app.apiKey)

    expect(await create(token)).toMatchObject({ status: 403, body: { code: 'grant-revoked' } })
  })

  it('that has expired stays the credential of its own sessions only', async () => {
    const { grant: first } = await grant({ ttlSeconds: 60 })
    const { grant: second } = await grant({ ttlSeconds: 60 })
    const created = await create(first)
    harness.advance({ minutes: 2 })

    expect(await create(first)).toMatchObject({ status: 401, body: { code: 'unauthenticated' } })
    const path = `/v1/uploads/${created.body.id}`
    expect((await harness.call('GET', path, first)).status).toBe(200)
    expect((await harness.call('GET', path, second)).status).toBe(404)
  })
})

describe('each kind of token', () => {
  it('is refused wherever another kind belongs, and without one everything is 401', async () => {
    const { body: session } = await create(app.apiKey, { subject: 'ada' })
    const { grant } = (await harness.call('POST', '/v1/grants', app.apiKey, { subject: 'ada' }))
      .body
    const id = session.id
    const routes: Array<[string, string, unknown, string[]]> = [
      ['POST', '/v1/apps', { name: 'x' }, []],
      ['GET', '/v1/apps', undefined, []],
      ['PUT', `/v1/apps/${app.id}/policies/x`, {}, []],
      ['POST', `/v1/apps/${app.id}/issuers`, {}, []],
      ['POST', '/v1/grants', { subject: 'x' }, ['apiKey']],
      ['DELETE', '/v1/grants/grt_x', undefined, ['apiKey']],
      ['POST', '/v1/webhook-endpoints', { url: 'http://127.0.0.1/' }, ['apiKey']],
      ['GET', '/v1/webhook-endpoints/whe_x/deliveries', undefined, ['apiKey']],
      ['POST', '/v1/deliveries/dlv_x/replay', {}, ['apiKey']],
      ['POST', '/v1/uploads', {}, ['apiKey', 'grant']],
      ['GET', '/v1/uploads', undefined, ['apiKey', 'grant']],
      ['GET', `/v1/uploads/${id}`, undefined, ['apiKey', 'grant', 'upload']],
      ['POST', `/v1/uploads/${id}/parts`, { partNumbers: [1] }, ['upload']],
      ['POST', `/v1/uploads/${id}/complete`, {}, ['apiKey', 'completion']],
      ['GET', `/v1/uploads/${id}/object`, undefined, ['apiKey', 'grant']],
      ['DELETE', `/v1/uploads/${id}`, undefined, ['apiKey', 'grant', 'upload']],
    ]
    const tokens: Record<string, string> = {
      apiKey: app.apiKey,
      grant,
      upload: session.uploadToken,
      completion: session.completionToken,
    }
    for (const [method, path, body, taken] of routes) {
      const bare = await harness.call(method, path, undefined, body)
      expect([path, bare.status, bare.body.code]).toEqual([path, 401, 'unauthenticated'])
      for (const [kind, token] of Object.entries(tokens)) {
        if (taken.includes(kind)) continue
        const answer = await harness.call(method, path, token, body)
        expect([path, kind, answer.status], JSON.stringify(answer.body)).toEqual([
          path,
          kind,
          path.startsWith('/v1/apps') ? 401 : 403,
        ])
        expect(answer.body.code).toMatch(/^(unauthenticated|forbidden|completion-token-invalid)$/)
      }
    }
    const state = await harness.call('GET', `/v1/uploads/${id}`, app.apiKey)
    expect(state.body.state).toBe('open')
  })

  it('of one session does nothing for another', async () => {
    const [one, two] = await Promise.all([
      create(app.apiKey, { subject: 'ada' }),
      create(app.apiKey, { subject: 'ada' }),
    ])
    const path = `/v1/uploads/${two.body.id}`

    expect(await harness.call('GET', path, one.body.uploadToken)).toMatchObject({ status: 404 })
    expect(
      await harness.call('POST', `${path}/parts`, one.body.uploadToken, { partNumbers: [1] }),
    ).toMatchObject({ status: 404, body: { code: 'upload-not-found' } })
    expect(
      await harness.call('POST', `${path}/complete`, one.body.completionToken, {}),
    ).toMatchObject({ status: 403, body: { code: 'completion-token-invalid' } })
  })
})

describe('bad input', () => {
  const MAX = 53_687_091_200_000

  it.each([
    ['a size as text', { sizeBytes: '10' }, 400, 'invalid-request'],
    ['a negative size', { sizeBytes: -1 }, 400, 'invalid-request'],
    ['half a byte', { sizeBytes: 1.5 }, 400, 'invalid-request'],
    ['more than the store takes', { sizeBytes: MAX + 1 }, 413, 'file-too-large'],
    ['an absurd size', { sizeBytes: 9e15 }, 413, 'file-too-large'],
    ['no size without a maximum', { sizeBytes: undefined }, 422, 'size-required'],
    ['too small parts', { partSizeBytes: 100 * KiB - 1 }, 400, 'invalid-request'],
    ['an empty name', { filename: '' }, 400, 'invalid-request'],
    ['a name of 256', { filename: 'x'.repeat(256) }, 400, 'invalid-request'],
    ['a control character', { filename: 'a\u0000b' }, 400, 'invalid-request'],
    ['a lone surrogate', { filename: 'a\ud800' }, 400, 'invalid-request'],
    ['an unknown field', { bucket: 'mine' }, 400, 'invalid-request'],
    ['a large metadata', { metadata: { a: 'x'.repeat(2048) } }, 400, 'invalid-request'],
    ['a broken checksum', { checksum: 'crc64:abc' }, 400, 'invalid-request'],
    ['a policy that is not there', { policy: 'none' }, 403, 'policy-not-found'],
    ['resume without a fingerprint', { resume: true }, 400, 'invalid-request'],
  ])('%s', async (_, body, status, code) => {
    const answer = await create(app.apiKey, { subject: 'ada', ...body })

    expect(answer).toMatchObject({ status, body: { code, status } })
    expect(answer.headers.get('content-type')).toBe('application/problem+json')
  })

  it.each([
    ['the largest object', { sizeBytes: MAX, partSizeBytes: undefined }],
    ['one byte', { sizeBytes: 1 }],
    ['emoji', { filename: '😀🎬.mp4' }],
    ['dots', { filename: '..' }],
    ['a path', { filename: '../../etc/passwd' }],
  ])('%s is fine', async (_, body) => {
    const answer = await create(app.apiKey, { subject: 'ada', ...body })

    expect(answer.status, JSON.stringify(answer.body)).toBe(201)
    expect(answer.body.key.split('/')).toHaveLength(4)
    expect(answer.body.key.split('/')).not.toContain('..')
    expect(answer.body.plan.partCount).toBeLessThanOrEqual(10_000)
  })

  it.each([
    [[0], 400],
    [[-1], 400],
    [[1.5], 400],
    [[10_001], 400],
    [[], 400],
    [[4], 422],
  ])('part numbers %j', async (partNumbers, status) => {
    const { body } = await create(app.apiKey, { subject: 'ada' })
    const answer = await harness.call('POST', `/v1/uploads/${body.id}/parts`, body.uploadToken, {
      partNumbers,
    })
    expect(answer).toMatchObject({
      status,
      body: { code: status === 422 ? 'part-out-of-range' : 'invalid-request' },
    })
  })

  it.each([
    ['within the plan', { from: 2, count: 2 }, { sizeBytes: 250 * KiB }, [2, 3]],
    ['over its end', { from: 2, count: 1000 }, { sizeBytes: 250 * KiB }, [2, 3]],
    ['from its last part', { from: 3, count: 2 }, { sizeBytes: 250 * KiB }, [3]],
    ['from beyond its end', { from: 4, count: 1 }, { sizeBytes: 250 * KiB }, [4]],
    ['of an empty file', { from: 1, count: 5 }, { sizeBytes: 0 }, [1]],
    ['over the most of a stream', { from: 9, count: 9 }, { sizeBytes: undefined }, [9, 10]],
    ['from beyond the most of a stream', { from: 11, count: 9 }, { sizeBytes: undefined }, [11]],
    [
      'over the last part of a stream',
      { from: 10, count: 9, last: { partNumber: 10, sizeBytes: 5 } },
      { sizeBytes: undefined },
      [10],
    ],
  ])('a range of parts %s', async (name, range, size, numbers) => {
    await harness.call('PUT', `/v1/apps/${app.id}/policies/streams`, ADMIN_KEY, {
      maxSizeBytes: 1000 * KiB,
      singleMaxBytes: 0,
    })
    const { body } = await create(app.apiKey, { subject: 'ada', policy: 'streams', ...size })
    const path = `/v1/uploads/${body.id}/parts`
    const answer = await harness.call('POST', path, body.uploadToken, range)

    if (/beyond|empty/.test(name)) {
      expect(answer).toMatchObject({
        status: 422,
        body: { code: 'part-out-of-range', partNumbers: numbers },
      })
      return
    }
    expect(answer.status, JSON.stringify(answer.body)).toBe(200)
    expect(answer.body.parts.map(({ partNumber }: { partNumber: number }) => partNumber)).toEqual(
      numbers,
    )
  })

  it('bodies that are no JSON, too large or of another type', async () => {
    const post = (body: BodyInit, type = 'application/json') =>
      harness.app.request('/v1/uploads', {
        method: 'POST',
        headers: { authorization: `Bearer ${app.apiKey}`, 'content-type': type },
        body,
        duplex: 'half',
      } as RequestInit)
    const chunked = () =>
      new ReadableStream({
        start(controller) {
          for (let count = 0; count < 40; count++) controller.enqueue(new Uint8Array(8192))
          controller.close()
        },
      })
    const code = async (answer: Response | Promise<Response>) => {
      const { status } = await answer
      return [status, ((await (await answer).json()) as { code: string }).code]
    }

    expect(await code(post('{'))).toEqual([400, 'invalid-request'])
    expect(await code(post('[]'))).toEqual([400, 'invalid-request'])
    expect(await code(post(new Uint8Array([0xff, 0xfe])))).toEqual([400, 'invalid-request'])
    expect(await code(post('{}', 'text/plain'))).toEqual([415, 'unsupported-media-type'])
    expect(await code(post('x'.repeat(200_000)))).toEqual([413, 'payload-too-large'])
    expect(await code(post(chunked()))).toEqual([413, 'payload-too-large'])
  })
})

describe('a store that fails', () => {
  const failing: Array<[string, typeof fetch]> = [
    [
      'answers 500',
      async () => new Response('<Error><Code>InternalError</Code></Error>', { status: 500 }),
    ],
    ['does not answer', async () => Promise.reject(new TypeError('fetch failed'))],
    ['cuts the answer', async () => new Response('<InitiateMultipartUploadRes', { status: 200 })],
    [
      'hangs',
      (_, init) =>
        new Promise((_resolve, reject) => {
          init?.signal?.addEventListener('abort', () => reject(init.signal?.reason))
        }),
    ],
  ]

  it.each(failing)(
    '%s: creating is 503, and a repeat with the same key succeeds later',
    async (_, broken) => {
      harness.interceptStore(() => broken)
      const headers = { 'idempotency-key': `store-${crypto.randomUUID()}` }
      const body = { subject: 'ada', filename: 'a', sizeBytes: 250 * KiB, partSizeBytes: 100 * KiB }
      const refused = await harness.call('POST', '/v1/uploads', app.apiKey, body, headers)
      harness.interceptStore((forward) => forward)
      const repeated = await harness.call('POST', '/v1/uploads', app.apiKey, body, headers)

      expect(refused).toMatchObject({ status: 503, body: { code: 'storage-unavailable' } })
      expect(repeated).toMatchObject({ status: 200, body: { state: 'open' } })
    },
  )

  it.each(failing)('%s: completing is not lost, and ends in one event', async (_, broken) => {
    const bytes = someBytes(250 * KiB)
    const { body: created } = await create(app.apiKey, { subject: 'ada' })
    for (const part of created.parts) await putPart(part, bytes, 100 * KiB)
    const complete = () =>
      harness.call('POST', `/v1/uploads/${created.id}/complete`, created.completionToken, {})
    // The store completes, but its answer is lost, and every later HEAD fails too.
    let asked = false
    harness.interceptStore((forward) => async (input, init) => {
      const completing = init?.method === 'POST' && String(input).includes('uploadId=')
      if (completing) {
        await forward(input, init)
        asked = true
      }
      return asked ? broken(input, init) : forward(input, init)
    })
    const unclear = await complete()
    harness.interceptStore((forward) => forward)
    const again = await complete()

    expect(unclear).toMatchObject({ status: 202, body: { state: 'completing' } })
    expect(again).toMatchObject({ status: 200, body: { state: 'completed' } })
    const session = await harness.services.uploads.find(app.id, created.id)
    expect(session).toMatchObject({ state: 'completed', revision: 2 })
  })
})

it('logs of a failed statement what the database said, and no parameter', async () => {
  await query(harness, 'alter table uploads rename to elsewhere')
  const before = harness.lines.length
  const answer = await harness.call('GET', '/v1/uploads/upl_1', app.apiKey)
  await query(harness, 'alter table elsewhere rename to uploads')

  expect(answer).toMatchObject({ status: 500, body: { code: 'internal' } })
  const lines = harness.lines.slice(before).join('\n')
  expect(lines).toContain('relation \\"uploads\\" does not exist')
  expect(lines).not.toContain(app.id)
})

it('logs no secret, token or signed URL', () => {
  const all = harness.lines.join('\n')

  expect(all.length).toBeGreaterThan(1000)
  expect(all).not.toMatch(/eyJ|csk_|whsec_|x-oss-signature=|test-secret-of-the-store/)
  expect(all).not.toContain(ADMIN_KEY)
})
