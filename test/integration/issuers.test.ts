// Issuers of user JWTs: which subject a token names, which tokens meet an issuer's conditions, and which registrations are refused.
import { SignJWT } from 'jose'
import postgres from 'postgres'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ADMIN_KEY, type Harness, startHarness } from '../support/harness.ts'

const SECRET = 'a-shared-secret-of-at-least-32-characters'
const GITHUB = 'https://token.actions.githubusercontent.com'
const GITHUB_KEYS = {
  jwksUrl: `${GITHUB}/.well-known/jwks`,
  secret: undefined,
  algorithms: ['RS256'],
}

let harness: Harness
let sql: postgres.Sql
let app: { id: string; apiKey: string }

beforeAll(async () => {
  harness = await startHarness()
  sql = postgres(harness.databaseUrl, { max: 2, onnotice: () => {} })
})
beforeEach(async () => {
  app = await harness.createApp()
})
afterAll(async () => {
  await sql.end()
  await harness.stop()
})

/** The audience is the app, so that each test can register the same issuers. */
const register = (issuer: string, more: Record<string, unknown> = {}) =>
  harness.call('POST', `/v1/apps/${app.id}/issuers`, ADMIN_KEY, {
    issuer,
    audience: app.id,
    secret: SECRET,
    algorithms: ['HS256'],
    ...more,
  })

const jwt = (issuer: string, claims: Record<string, unknown> = {}) =>
  new SignJWT({ sub: 'ada', aud: app.id, iss: issuer, ...claims })
    .setProtectedHeader({ alg: 'HS256' })
    .setExpirationTime(Math.floor(harness.clock().getTime() / 1000) + 600)
    .sign(new TextEncoder().encode(SECRET))

const [ONE, TWO] = ['https://one.example', 'https://two.example']

const create = (credential: string, body: Record<string, unknown> = {}) =>
  harness.call('POST', '/v1/uploads', credential, { filename: 'a', sizeBytes: 10, ...body })
const read = async (id: string, credential: string) =>
  (await harness.call('GET', `/v1/uploads/${id}`, credential)).status

describe('a subject', () => {
  it('is the claim of its issuer only: the same claim of another issuer is another owner', async () => {
    const one = (await register(ONE)).body
    await register(TWO)

    const { body } = await create(await jwt(ONE))

    expect(body.subject).toBe(`${one.id}:ada`)
    expect(one.subjectPrefix).toBe(`${one.id}:`)
    expect(await read(body.id, await jwt(ONE))).toBe(200)
    expect(await read(body.id, await jwt(TWO))).toBe(404)
  })

  it('is the claim alone if issuers are joined on purpose', async () => {
    await register(ONE, { subjectPrefix: '' })
    await register(TWO, { subjectPrefix: '' })

    const { body } = await create(await jwt(ONE))

    expect(body.subject).toBe('ada')
    expect(await read(body.id, await jwt(TWO))).toBe(200)
  })

  it('must be named in full by grants and the api key', async () => {
    await register(ONE, { subjectPrefix: 'one:' })
    const { body } = await create(await jwt(ONE))

    const grant = async (subject: string) =>
      (await harness.call('POST', '/v1/grants', app.apiKey, { subject })).body.grant

    expect(await read(body.id, await grant('one:ada'))).toBe(200)
    expect(await read(body.id, await grant('ada'))).toBe(404)
  })

  it('has at most 255 characters with its prefix', async () => {
    await register(ONE, { subjectPrefix: 'p'.repeat(155) })

    const statuses = [100, 101].map(async (length) => {
      const token = await jwt(ONE, { sub: 'x'.repeat(length) })
      return (await harness.call('GET', '/v1/uploads', token)).status
    })

    expect(await Promise.all(statuses)).toEqual([200, 401])
  })

  it('comes with its issuer and the claim in every event of a session that its JWT created', async () => {
    const one = (await register(ONE)).body
    const { body: created } = await create(await jwt(ONE))
    const { body: other } = await create(app.apiKey, { subject: created.subject })
    await harness.call('DELETE', `/v1/uploads/${created.id}`, app.apiKey)

    const told = async (id: string) => {
      const rows = await sql`
        select type, body::jsonb #> '{data,upload}' as upload from upload_events
        where app_id = ${app.id} and upload_id = ${id} order by revision`
      return rows.map(({ type, upload: { subject, issuerId, issuerSubject } }) => [
        type,
        { subject, issuerId, issuerSubject },
      ])
    }
    const owner = { subject: `${one.id}:ada`, issuerId: one.id, issuerSubject: 'ada' }

    expect(await told(created.id)).toEqual([
      ['upload.created', owner],
      ['upload.aborted', owner],
    ])
    expect(await told(other.id)).toEqual([['upload.created', { subject: `${one.id}:ada` }]])
  })
})

describe('the prefixes of an app', () => {
  const conflict = { status: 422, body: { code: 'subject-prefix-conflict' } }

  it.each([
    ['', 'a:'],
    ['a:', ''],
    ['a', 'a:'],
    ['a:', 'a'],
    ['', undefined],
  ])('are refused where one begins the other: %j, then %j', async (first, second) => {
    expect(await register(ONE, { subjectPrefix: first })).toMatchObject({ status: 201 })

    expect(await register(TWO, { subjectPrefix: second })).toMatchObject(conflict)
  })

  it.each([
    ['a:', 'a:'],
    ['a:', 'b:'],
    ['A', 'a:'],
    // é as one code point and as two: neither is a prefix of the other.
    ['\u00e9', 'e\u0301'],
    [undefined, undefined],
  ])('may be %j and %j', async (first, second) => {
    expect(await register(ONE, { subjectPrefix: first })).toMatchObject({ status: 201 })

    expect(await register(TWO, { subjectPrefix: second })).toMatchObject({ status: 201 })
  })

  it('are an app’s own', async () => {
    await register(ONE, { subjectPrefix: 'a' })
    app = await harness.createApp()

    expect(await register(ONE, { subjectPrefix: '' })).toMatchObject({ status: 201 })
  })

  it('are compared with one that is being registered at the same time', async () => {
    await register(ONE, { subjectPrefix: 'a:' })

    const { going } = await sql.begin(async (first) => {
      await first`select from apps where app_id = ${app.id} for no key update`
      await first`
        insert into issuers (app_id, issuer_id, issuer, audience, algorithms, policies, subject_claim, subject_prefix, created_at)
        values (${app.id}, 'iss_first', ${TWO}, 'b', '[]', '[]', 'sub', 'b:', now())`
      let answered = false
      const second = register('https://three.example', { subjectPrefix: 'b' }).finally(() => {
        answered = true
      })
      for (let waiting = 0; !waiting && !answered; ) {
        const [row] = await sql`select count(*)::int as waiting from pg_stat_activity
          where datname = current_database() and wait_event_type = 'Lock'`
        waiting = row!.waiting
      }
      return { going: second }
    })

    expect(await going).toMatchObject(conflict)
  })

  it('stay apart, however many are registered at once', async () => {
    const prefixes = ['', 'a', 'ab', 'abc', 'b', 'bc']
    const answers = await Promise.all(
      prefixes.map((subjectPrefix, at) => register(`https://${at}.example`, { subjectPrefix })),
    )

    const taken = answers.filter(({ status }) => status === 201)
    const overlaps = taken.flatMap(({ body: one }) =>
      taken.filter(
        ({ body: other }) =>
          one !== other && (other.subjectPrefix as string).startsWith(one.subjectPrefix),
      ),
    )
    expect([taken.length > 0, overlaps]).toEqual([true, []])
  })

  it('say what to do', async () => {
    const { body: one } = await register(ONE, { subjectPrefix: 'a' })

    const { body } = await register(TWO, { subjectPrefix: 'ab' })

    const detail =
      `The subjectPrefix "a" of the issuer ${one.id} and "ab" overlap, so two owners could have one subject. ` +
      'Give "a" to join the subjects of both, or one of which neither begins the other.'
    expect(body).toMatchObject({ detail, errors: [{ pointer: '/subjectPrefix', detail }] })
  })
})

describe('conditions on claims', () => {
  it('must all be met by a token', async () => {
    const { body } = await register(ONE, {
      claims: { repository: ['acme/*', 'umbrella/*'], verified: ['true'] },
    })
    expect(body.claims).toEqual({ repository: ['acme/*', 'umbrella/*'], verified: ['true'] })

    const statuses = [
      { repository: 'acme/app', verified: true },
      { repository: ['else/app', 'umbrella/app'], verified: 'true' },
      { repository: 'acme-evil/app', verified: true },
      { repository: 'acme/app', verified: false },
      { repository: 'acme/app' },
      {},
    ].map(async (claims) => (await create(await jwt(ONE, claims))).status)

    expect(await Promise.all(statuses)).toEqual([201, 201, 401, 401, 401, 401])
  })

  it.each([
    ['{"repository": []}', '/claims/repository'],
    ['{"repository": [""]}', '/claims/repository/0'],
    ['{"repository": "acme/*"}', '/claims/repository'],
    ['{"__proto__": ["acme"]}', '/claims'],
  ])('are never lost on the way: %s', async (claims, pointer) => {
    const body = `{"issuer": "${ONE}", "audience": "${app.id}", "secret": "${SECRET}", "algorithms": ["HS256"], "claims": ${claims}}`

    const answer = await harness.call('POST', `/v1/apps/${app.id}/issuers`, ADMIN_KEY, body, {
      'content-type': 'application/json',
    })

    expect(answer).toMatchObject({ status: 400, body: { errors: [{ pointer }] } })
  })

  it('must name the owner where everybody shares the issuer', async () => {
    expect(await register(GITHUB, GITHUB_KEYS)).toMatchObject({
      status: 422,
      body: { code: 'issuer-needs-claims', errors: [{ pointer: '/claims' }] },
    })

    const claims = { repository: ['acme/*'] }
    expect(await register(GITHUB, { ...GITHUB_KEYS, claims })).toMatchObject({ status: 201 })
  })
})
