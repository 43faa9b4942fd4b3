// What a grant can reach, as a table: each request, on each kind of session, by a live, an expired and a revoked grant.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  ADMIN_KEY,
  type Answer,
  type Harness,
  putPart,
  someBytes,
  startHarness,
} from '../support/harness.ts'
import { expectExactQuota, expectOneOutcome, query, settle } from '../support/invariants.ts'
import { startReceiver } from '../support/receiver.ts'

const KiB = 1024
const SIZE = 250 * KiB
const BYTES = someBytes(SIZE)

let harness: Harness
let app: { id: string; apiKey: string }

beforeAll(async () => {
  harness = await startHarness()
})
afterAll(() => harness.stop())
beforeEach(async () => {
  app = await harness.createApp({ delta: true, direct: true, readBack: true })
  await putPolicy('other', { delta: true, readBack: true })
  await putPolicy('credentials', { credentials: true, maxSizeBytes: 1_000_000 })
})

const putPolicy = (name: string, document: Record<string, unknown>) =>
  harness.call('PUT', `/v1/apps/${app.id}/policies/${name}`, ADMIN_KEY, document)
const mint = async (body: Record<string, unknown> = {}) => {
  const answer = await harness.call('POST', '/v1/grants', app.apiKey, { subject: 'ada', ...body })
  expect(answer.status, JSON.stringify(answer.body)).toBe(201)
  return answer.body as { id: string; grant: string }
}
const revoke = (id: string, more = '') =>
  harness.call('DELETE', `/v1/grants/${id}${more}`, app.apiKey)
const create = (credential: string, body: Record<string, unknown> = {}, key?: string) =>
  harness.call(
    'POST',
    '/v1/uploads',
    credential,
    { filename: 'a.bin', sizeBytes: SIZE, partSizeBytes: 100 * KiB, ...body },
    key ? { 'idempotency-key': key } : {},
  )
const send = async ({ parts, plan }: Record<string, any>) => {
  for (const part of parts) await putPart(part, BYTES, plan.partSizeBytes)
}
const completed = async (credential: string, body: Record<string, unknown> = {}) => {
  const { body: created } = await create(credential, body)
  await send(created)
  const path = `/v1/uploads/${created.id}/complete`
  const done = await harness.call('POST', path, created.completionToken, {})
  expect(done.status, JSON.stringify(done.body)).toBe(200)
  return created
}
const outcome = ({ status, body }: Answer) => (body.code ? `${status} ${body.code}` : `${status}`)

type Whose = 'own' | 'of another grant' | 'under another policy' | 'of another subject'
type Stage = 'open' | 'completed' | 'aborted' | 'completed a day ago'
type Life = 'live' | 'expired' | 'revoked' | 'live, reach own'

/** Creates the row's session, and the grant that makes the request. */
async function scene(whose: Whose, stage: Stage, life: Life) {
  const grant = await mint({
    ttlSeconds: 3600,
    ...(life === 'live, reach own' ? { reach: 'own' } : {}),
  })
  const other = await mint({
    ttlSeconds: 3600,
    ...(whose === 'under another policy' ? { policy: 'other' } : {}),
    ...(whose === 'of another subject' ? { subject: 'bob' } : {}),
  })
  const creator = whose === 'own' ? grant.grant : other.grant
  const session = stage.startsWith('completed')
    ? await completed(creator, { fingerprint: 'f' })
    : (await create(creator, { fingerprint: 'f' })).body
  if (stage === 'aborted') await harness.call('DELETE', `/v1/uploads/${session.id}`, app.apiKey)
  if (stage === 'completed a day ago') harness.advance({ hours: 24, minutes: 1 })
  if (life === 'expired') harness.advance({ hours: 2 })
  if (life === 'revoked') expect((await revoke(grant.id)).status).toBe(200)
  return { grant, session }
}

const ASKED: Record<string, (grant: string, session: Record<string, any>) => Promise<Answer>> = {
  status: (grant, { id }) => harness.call('GET', `/v1/uploads/${id}`, grant),
  parts: (grant, { id }) => harness.call('GET', `/v1/uploads/${id}?parts=true`, grant),
  object: (grant, { id }) => harness.call('GET', `/v1/uploads/${id}/object`, grant),
  abort: (grant, { id }) => harness.call('DELETE', `/v1/uploads/${id}`, grant),
  create: (grant) => create(grant),
  resume: (grant) => create(grant, { fingerprint: 'f', resume: true }),
  list: (grant) => harness.call('GET', '/v1/uploads', grant),
}

/** `resume`: 200 found the session, 201 created another. `list`: the number of sessions shown. */
type Row = [Whose, Stage, Life, Record<string, string>]
const NONE = '404 upload-not-found'
const REVOKED = '403 grant-revoked'
const LATE = '401 unauthenticated'
const ALL_REVOKED = Object.fromEntries(Object.keys(ASKED).map((name) => [name, REVOKED]))
// biome-ignore format: a table
const TABLE: Row[] = [
  ['own', 'open', 'live', { status: '200', parts: '200', object: '409 upload-not-open', list: '1', resume: '200', create: '201', abort: '200' }],
  ['own', 'completed', 'live', { status: '200', parts: '200', object: '302', list: '1', resume: '201', create: '201', abort: '409 upload-not-open' }],
  ['own', 'aborted', 'live', { status: '200', parts: '200', object: '409 upload-not-open', list: '1', resume: '201', create: '201', abort: '200' }],
  ['of another grant', 'open', 'live', { status: '200', parts: '200', object: '403 forbidden', list: '1', resume: '200', create: '201', abort: '200' }],
  ['of another grant', 'completed', 'live', { status: NONE, parts: NONE, object: NONE, list: '0', resume: '201', create: '201', abort: NONE }],
  ['of another grant', 'aborted', 'live', { status: NONE, parts: NONE, object: NONE, list: '0', resume: '201', create: '201', abort: NONE }],
  ['of another grant', 'open', 'live, reach own', { status: NONE, parts: NONE, object: NONE, list: '0', resume: '201', create: '201', abort: NONE }],
  ['own', 'open', 'live, reach own', { status: '200', parts: '200', list: '1', resume: '200', create: '201', abort: '200' }],
  ['under another policy', 'open', 'live', { status: NONE, parts: NONE, object: NONE, list: '0', resume: '201', create: '201', abort: NONE }],
  ['under another policy', 'completed', 'live', { status: NONE, parts: NONE, object: NONE, list: '0', resume: '201', create: '201', abort: NONE }],
  ['of another subject', 'open', 'live', { status: NONE, parts: NONE, object: NONE, list: '0', resume: '201', create: '201', abort: NONE }],
  ['own', 'open', 'expired', { status: '200', parts: '200', object: '409 upload-not-open', list: '1', resume: LATE, create: LATE, abort: '200' }],
  ['own', 'completed', 'expired', { status: '200', parts: '200', object: '302', list: '1', resume: LATE, create: LATE, abort: '409 upload-not-open' }],
  ['own', 'aborted', 'expired', { status: '200', list: '1', abort: '200' }],
  ['own', 'completed a day ago', 'expired', { status: NONE, parts: NONE, object: NONE, list: '0', resume: LATE, create: LATE, abort: NONE }],
  ['of another grant', 'open', 'expired', { status: NONE, parts: NONE, object: NONE, list: '0', resume: LATE, create: LATE, abort: NONE }],
  ['of another grant', 'completed', 'expired', { status: NONE, parts: NONE, object: NONE, list: '0', abort: NONE }],
  ['own', 'open', 'revoked', ALL_REVOKED],
  ['own', 'completed', 'revoked', ALL_REVOKED],
  ['of another grant', 'open', 'revoked', ALL_REVOKED],
]

describe('what a grant reaches', () => {
  it.each(TABLE)('a session that is %s and %s, by a grant that is %s', async (...row) => {
    const [whose, stage, life, expected] = row
    const { grant, session } = await scene(whose, stage, life)

    const answered: Record<string, string> = {}
    // In the order of ASKED: requests that only read come first, so that the list shows no session created here.
    for (const name of ['list', 'status', 'parts', 'object', 'resume', 'abort', 'create']) {
      if (expected[name] === undefined) continue
      const answer = await ASKED[name]!(grant.grant, session)
      answered[name] =
        name === 'list' && answer.status === 200
          ? String(answer.body.uploads.length)
          : outcome(answer)
      if (name === 'resume' && answer.status === 200) expect(answer.body.id).toBe(session.id)
    }

    expect(answered).toEqual(expected)
  })

  it('lists what it reaches in one order, page by page, and nothing else', async () => {
    const grant = await mint()
    const [other, foreign] = [await mint(), await mint({ policy: 'other' })]
    const ids: string[] = []
    for (const by of [grant, other, foreign, grant, other, foreign]) {
      const { body } = await create(by.grant)
      if (by !== foreign) ids.push(body.id)
    }
    await completed(other.grant)
    ids.push((await completed(grant.grant)).id)
    const page = (more: string) => harness.call('GET', `/v1/uploads?limit=2${more}`, grant.grant)

    const listed: string[] = []
    for (let cursor: string | undefined = ''; cursor !== undefined; ) {
      const { body } = await page(cursor && `&cursor=${cursor}`)
      listed.push(...body.uploads.map(({ id }: { id: string }) => id))
      cursor = body.nextCursor
    }

    expect(listed).toEqual(ids.reverse())
    const { body } = await harness.call('GET', '/v1/uploads?state=completed', grant.grant)
    expect(body.uploads.map(({ id }: { id: string }) => id)).toEqual([ids[0]])
  })

  it('reads an object only where the policy says so', async () => {
    await putPolicy('default', {})
    const grant = await mint()
    const session = await completed(grant.grant)

    const answer = await harness.call('GET', `/v1/uploads/${session.id}/object`, grant.grant)

    expect(answer).toMatchObject({ status: 403, body: { code: 'forbidden' } })
  })

  it('copies from what it reaches, and from completed sessions of its subject and policy', async () => {
    const grant = await mint({ ttlSeconds: 3600 })
    const narrow = await mint({ reach: 'own' })
    const [another, foreign] = [await mint(), await mint({ policy: 'other' })]
    const sources = {
      own: await completed(grant.grant),
      another: await completed(another.grant),
      policy: await completed(foreign.grant),
      narrow: await completed(narrow.grant),
    }
    const aborted = (await create(another.grant)).body
    await harness.call('DELETE', `/v1/uploads/${aborted.id}`, app.apiKey)
    const copyBy = async (by: { grant: string }, source: Record<string, any>) => {
      const { body: target } = await create(by.grant)
      const body = { source: source.id, parts: [[1, 1]] }
      return outcome(await harness.call('POST', `/v1/uploads/${target.id}/copies`, by.grant, body))
    }

    expect([
      await copyBy(grant, sources.own),
      await copyBy(grant, sources.another),
      await copyBy(grant, sources.policy),
      await copyBy(grant, aborted),
      await copyBy(narrow, sources.narrow),
      await copyBy(narrow, sources.another),
    ]).toEqual(['200', '200', NONE, NONE, '200', NONE])
  })
})

describe('`use`', () => {
  it.each(['credentials', 'uppy'])('%s does nothing of the api’s', async (use) => {
    const { body: session } = await create(app.apiKey, { subject: 'ada', fingerprint: 'f' })
    const { grant } = await mint({ use })
    const copies = { source: session.id, parts: [[1, 1]] }

    const answers = [
      ...(await Promise.all(Object.values(ASKED).map((ask) => ask(grant, session)))),
      await harness.call('POST', `/v1/uploads/${session.id}/copies`, grant, copies),
    ]

    expect(answers.map(outcome)).toEqual(answers.map(() => '403 forbidden'))
  })

  it.each(['api', 'uppy'])('%s gets no credentials, not even fresh ones', async (use) => {
    const body = { filename: 'a', sizeBytes: 10, subject: 'ada', policy: 'credentials' }
    const { body: begun } = await harness.call('POST', '/v1/credentials', app.apiKey, body)
    const { grant } = await mint({ use, policy: 'credentials' })
    const ask = (asked: Record<string, unknown>) =>
      harness.call('POST', '/v1/credentials', grant, asked)

    expect([
      outcome(await ask({ filename: 'a', sizeBytes: 10 })),
      outcome(await ask({ uploadId: begun.uploadId })),
      (await harness.call('GET', `/oss/credentials/${grant}`)).body.ErrorCode,
    ]).toEqual(['403 forbidden', '403 forbidden', 'forbidden'])
  })
})

describe('credentials', () => {
  const begin = (grant: string) =>
    harness.call('POST', '/v1/credentials', grant, { filename: 'a', sizeBytes: 10 })
  const fresh = (grant: string, uploadId: string) =>
    harness.call('POST', '/v1/credentials', grant, { uploadId })
  const mobile = async (grant: string) => {
    const { body } = await harness.call('GET', `/oss/credentials/${grant}`)
    return body.ErrorCode ?? body.StatusCode
  }
  const use = { use: 'credentials', policy: 'credentials', ttlSeconds: 3600 }

  it('are issued anew by the grant that began, also once it has expired, and by no other then', async () => {
    const [grant, other] = [await mint(use), await mint(use)]
    const { uploadId } = (await begin(grant.grant)).body

    expect(outcome(await fresh(other.grant, uploadId))).toBe('201')
    expect(await mobile(other.grant)).toBe('upload-not-found')
    harness.advance({ hours: 2 })
    expect([
      outcome(await fresh(grant.grant, uploadId)),
      await mobile(grant.grant),
      outcome(await fresh(other.grant, uploadId)),
      outcome(await begin(grant.grant)),
    ]).toEqual(['201', 200, NONE, LATE])
  })

  it('are refused to a grant that was revoked, at once', async () => {
    const grant = await mint(use)
    const { uploadId } = (await begin(grant.grant)).body
    await revoke(grant.id)

    expect([
      outcome(await fresh(grant.grant, uploadId)),
      outcome(await begin(grant.grant)),
      await mobile(grant.grant),
    ]).toEqual([REVOKED, REVOKED, 'grant-revoked'])
  })
})

describe('tokens that a grant was handed', () => {
  const by = async ({ id, uploadToken, completionToken }: Record<string, any>) => {
    const path = `/v1/uploads/${id}`
    return {
      parts: outcome(
        await harness.call('POST', `${path}/parts`, uploadToken, { partNumbers: [1] }),
      ),
      status: outcome(await harness.call('GET', path, uploadToken)),
      object: outcome(await harness.call('GET', `${path}/object`, uploadToken)),
      direct: outcome(
        await harness.call('POST', `${path}/complete`, completionToken, { mode: 'direct' }),
      ),
      complete: outcome(await harness.call('POST', `${path}/complete`, completionToken, {})),
      abort: outcome(await harness.call('DELETE', path, uploadToken)),
    }
  }
  const DEAD = {
    parts: '200',
    status: REVOKED,
    object: REVOKED,
    direct: REVOKED,
    complete: REVOKED,
    abort: REVOKED,
  }

  it('end with it, but for signing parts until the upload token’s end', async () => {
    const grant = await mint()
    const { body: created } = await create(grant.grant)
    await send(created)
    const { body: renewed } = await harness.call(
      'GET',
      `/v1/uploads/${created.id}`,
      created.uploadToken,
    )
    await revoke(grant.id)

    expect(await by(created)).toEqual(DEAD)
    expect(await by({ ...created, uploadToken: renewed.uploadToken })).toEqual(DEAD)
    harness.advance({ minutes: 61 })
    expect(await by(created)).toMatchObject({ parts: LATE, complete: REVOKED })
  })

  it('are those of whom they were handed to: another grant’s of the same session go on', async () => {
    const [first, second] = [await mint(), await mint()]
    const { body: created } = await create(first.grant, { fingerprint: 'f' })
    await send(created)
    const { body: resumed } = await create(second.grant, { fingerprint: 'f', resume: true })
    expect(resumed.id).toBe(created.id)
    const { body: owners } = await harness.call('GET', `/v1/uploads/${created.id}`, app.apiKey)
    await revoke(first.id)

    const complete = (token: string) =>
      harness.call('POST', `/v1/uploads/${created.id}/complete`, token, {})
    expect([
      outcome(await complete(created.completionToken)),
      outcome(await complete(resumed.completionToken)),
      outcome(await complete(owners.completionToken)),
    ]).toEqual([REVOKED, '200', '200'])
    // A grant that did not create the session never reads its object, not even with a token it obtained on the way.
    const read = (token: string) => harness.call('GET', `/v1/uploads/${created.id}/object`, token)
    expect([
      outcome(await read(resumed.uploadToken)),
      outcome(await read(owners.uploadToken)),
    ]).toEqual(['403 forbidden', '302'])
  })

  it('finish inside a verified callback all the same', async () => {
    const grant = await mint()
    const { body: created } = await create(grant.grant)
    await send(created)
    const path = `/v1/uploads/${created.id}/complete`
    const { body } = await harness.call('POST', path, created.completionToken, { mode: 'direct' })
    await revoke(grant.id)

    const { method, url, headers } = body.direct
    const answer = await fetch(url, { method, headers })

    expect(await answer.json()).toMatchObject({ id: created.id, state: 'completed' })
    // The token inside the signed URL reaches no more than the client's own token.
    const variables = Buffer.from(new URL(url).searchParams.get('callback-var')!, 'base64')
    const token = Object.values(JSON.parse(variables.toString()) as Record<string, string>).find(
      (value) => value.startsWith('eyJ'),
    )
    expect(outcome(await harness.call('POST', path, token, {}))).toBe(REVOKED)
  })

  it('answer a repeated complete and abort the same after the grant has expired', async () => {
    const grant = await mint({ ttlSeconds: 60 })
    const done = await completed(grant.grant)
    const { body: gone } = await create(grant.grant)
    await harness.call('DELETE', `/v1/uploads/${gone.id}`, gone.uploadToken)
    harness.advance({ minutes: 30 })

    const path = `/v1/uploads/${done.id}/complete`
    expect(await harness.call('POST', path, done.completionToken, {})).toMatchObject({
      status: 200,
      body: { id: done.id, state: 'completed' },
    })
    const again = await harness.call('DELETE', `/v1/uploads/${gone.id}`, grant.grant)
    expect([again.status, again.body]).toEqual([200, { id: gone.id, state: 'aborted' }])
  })
})

describe('a grant whose completion is the backend’s', () => {
  it('never gets a completion token, whatever it resumes or asks for', async () => {
    const [client, backend] = [await mint(), await mint({ completion: 'backend' })]
    const { body: created } = await create(client.grant, { fingerprint: 'f' })
    const { body: form } = await create(client.grant, { method: 'form', partSizeBytes: undefined })
    const handed = await Promise.all([
      create(backend.grant, { fingerprint: 'f', resume: true }),
      harness.call('GET', `/v1/uploads/${created.id}`, backend.grant),
      harness.call('GET', `/v1/uploads/${form.id}`, backend.grant),
    ])

    expect(
      handed.map(({ status, body }) => [status, body.completionToken, body.complete.direct]),
    ).toEqual([
      [200, undefined, false],
      [200, undefined, false],
      [200, undefined, false],
    ])
    // Its form carries none either.
    expect([Object.keys(form.form.fields), Object.keys(handed[2].body.form.fields)]).toEqual([
      expect.arrayContaining(['callback']),
      expect.not.arrayContaining(['callback']),
    ])
  })
})

describe('an Idempotency-Key', () => {
  it.each([
    ['of the same policy', {}],
    ['of another policy', { policy: 'other' }],
    ['whose completion is the backend’s', { completion: 'backend' }],
  ])('of one grant is refused to another %s', async (_, terms) => {
    const [first, second] = [await mint(), await mint(terms)]
    const { body: created } = await create(first.grant, {}, 'k')

    expect(await create(first.grant, {}, 'k')).toMatchObject({
      status: 200,
      body: { id: created.id },
    })
    expect(outcome(await create(second.grant, {}, 'k'))).toBe('422 idempotency-key-reused')
  })

  it('of a resume stands for nothing that the grant does not reach any more', async () => {
    const [first, second] = [await mint(), await mint()]
    const { body: created } = await create(first.grant, { fingerprint: 'f' })
    const resume = () => create(second.grant, { fingerprint: 'f', resume: true }, 'k')
    expect(await resume()).toMatchObject({ status: 200, body: { id: created.id } })
    expect(await resume()).toMatchObject({ status: 200, body: { id: created.id } })
    await harness.call('DELETE', `/v1/uploads/${created.id}`, app.apiKey)

    expect(outcome(await resume())).toBe(NONE)
  })
})

describe('a grant counts', () => {
  it('at most 100 uploads unless it says otherwise', async () => {
    const [usual, more] = [await mint(), await mint({ maxUploads: 150 })]
    const made = (grant: string) =>
      Promise.all(
        Array.from({ length: 101 }, () =>
          create(grant, { sizeBytes: 1, partSizeBytes: undefined }),
        ),
      )

    const codes = (answers: Answer[]) => [
      answers.filter(({ status }) => status === 201).length,
      ...answers.filter(({ status }) => status !== 201).map(({ body }) => body.code),
    ]
    expect(codes(await made(usual.grant))).toEqual([100, 'grant-exhausted'])
    expect(codes(await made(more.grant))).toEqual([101])
  })
})

describe('DELETE /v1/grants/{id}?abort=true', () => {
  it('aborts what is open under it, each with its event, and leaves the rest', async () => {
    const receiver = await startReceiver()
    await harness.call('POST', '/v1/webhook-endpoints', app.apiKey, { url: receiver.url })
    const [grant, other] = [await mint(), await mint()]
    const done = await completed(grant.grant)
    const open: string[] = []
    for (let count = 0; count < 3; count++) open.push((await create(grant.grant)).body.id)
    const { body: theirs } = await create(other.grant)
    // The store did not answer this one, so it never began.
    harness.interceptStore((forward) => async (input, init) => {
      if (init?.method === 'POST') throw new TypeError('cut')
      return forward(input, init)
    })
    expect((await create(grant.grant)).status).toBe(503)
    harness.interceptStore((forward) => forward)
    const listed = await harness.services.uploads.list(app.id, { limit: 20 })
    const initiating = listed.find(({ state }) => state === 'initiating')!.id

    const answer = await revoke(grant.id, '?abort=true')

    expect([answer.status, answer.body]).toEqual([200, { id: grant.id, revoked: true, aborted: 4 }])
    for (const id of open) await expectOneOutcome(harness, app, id, 'aborted')
    expect(await harness.services.uploads.find(app.id, initiating)).toMatchObject({
      state: 'aborted',
      endedAt: expect.any(Date),
    })
    expect(await harness.services.uploads.find(app.id, done.id)).toMatchObject({
      state: 'completed',
    })
    expect(await harness.services.uploads.find(app.id, theirs.id)).toMatchObject({ state: 'open' })
    expect((await revoke(grant.id, '?abort=true')).body).toEqual({
      id: grant.id,
      revoked: true,
      aborted: 0,
    })
    await settle(harness)
    await expectExactQuota(harness)
    const held = await query(
      harness,
      `select count(*)::int as held from uploads where app_id = $1 and state = 'aborted' and storage_released_at is null`,
      [app.id],
    )
    expect(held[0]!.held).toBe(0)
    await receiver.stop()
  })

  it('without it revokes and touches no session', async () => {
    const grant = await mint()
    const { body: created } = await create(grant.grant)

    expect((await revoke(grant.id)).body).toEqual({ id: grant.id, revoked: true })
    expect((await revoke(grant.id, '?abort=false')).status).toBe(200)
    expect((await revoke(grant.id, '?abort=yes')).status).toBe(400)
    expect(await harness.services.uploads.find(app.id, created.id)).toMatchObject({ state: 'open' })
  })

  it('catches what is created while it is revoked, and leaves what the store may be completing', async () => {
    const grant = await mint({ maxUploads: 40 })
    const { body: attempted } = await create(grant.grant)
    await send(attempted)
    const path = `/v1/uploads/${attempted.id}/complete`
    await harness.call('POST', path, attempted.completionToken, { mode: 'direct' })

    const [answer, ...created] = await Promise.all([
      revoke(grant.id, '?abort=true'),
      ...Array.from({ length: 30 }, () => create(grant.grant)),
    ])

    expect(answer.status).toBe(200)
    const codes = new Set(created.map(outcome))
    expect(
      [...codes].filter((code) => !['201', REVOKED, '409 upload-not-open'].includes(code)),
    ).toEqual([])
    const rows = await query(
      harness,
      'select upload_id, state from uploads where app_id = $1 and grant_id = $2',
      [app.id, grant.id],
    )
    expect(rows.filter(({ state }) => state !== 'aborted')).toEqual([
      { upload_id: attempted.id, state: 'open' },
    ])
    await expectExactQuota(harness)
  })
})
