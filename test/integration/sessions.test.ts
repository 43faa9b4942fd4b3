// Sessions without their client: expiry, stuck states, leftovers in the inbox, ownership of objects, and quotas.
import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ADMIN_KEY, type Harness, putPart, someBytes, startHarness } from '../support/harness.ts'

const KiB = 1024
const BYTES = someBytes(250 * KiB)

let harness: Harness
let app: { id: string; apiKey: string }

beforeAll(async () => {
  harness = await startHarness()
  app = await harness.createApp({ readBack: true, direct: true })
})
afterAll(() => harness.stop())

const create = (body: Record<string, unknown> = {}, key = app.apiKey) =>
  harness.call('POST', '/v1/uploads', key, {
    subject: 'ada',
    filename: 'a.bin',
    sizeBytes: BYTES.length,
    partSizeBytes: 100 * KiB,
    ...body,
  })
const complete = (created: Record<string, any>, body: unknown = {}) =>
  harness.call('POST', `/v1/uploads/${created.id}/complete`, created.completionToken, body)
const find = (id: string) => harness.services.uploads.find(app.id, id)
const sendAll = async (created: Record<string, any>, bytes = BYTES) => {
  for (const part of created.parts) await putPart(part, bytes, created.plan.partSizeBytes)
}
const usage = async (subject: string) => {
  const sql = postgres(harness.databaseUrl, { max: 1 })
  const [row] = await sql`select * from usage where app_id = ${app.id} and subject = ${subject}`
  await sql.end()
  return row
}

describe('the sweep', () => {
  it('expires an idle session, aborts it at the store and gives its quota back', async () => {
    const { body: created } = await create({ subject: 'idle' })
    expect(await usage('idle')).toMatchObject({
      open_uploads: 1,
      reserved_bytes: String(BYTES.length),
    })
    harness.advance({ hours: 25 })

    await harness.sweep()
    await harness.sweep()

    const session = await find(created.id)
    expect(session).toMatchObject({ state: 'expired', revision: 2 })
    expect(session?.storageReleasedAt).toBeInstanceOf(Date)
    expect(await usage('idle')).toMatchObject({ open_uploads: 0, reserved_bytes: '0' })
    expect(await complete(created)).toMatchObject({
      status: 409,
      body: { code: 'upload-expired' },
    })
    expect(await harness.services.storeNamed('default').listUploads(created.key)).toEqual([])
  })

  it('leaves a session alone while parts still arrive', async () => {
    const { body: created } = await create()
    harness.advance({ hours: 23 })
    const { body } = await harness.call('GET', `/v1/uploads/${created.id}`, app.apiKey)
    const signed = await harness.call('POST', `/v1/uploads/${created.id}/parts`, body.uploadToken, {
      partNumbers: [1],
    })
    await putPart(signed.body.parts[0], BYTES, 100 * KiB)
    harness.advance({ hours: 20 })

    await harness.sweep()

    expect(await find(created.id)).toMatchObject({ state: 'open' })
  })

  it('fails a session that never opened, and aborts its storage upload', async () => {
    // The store begins the upload, but its answer is lost.
    harness.interceptStore((forward) => async (input, init) => {
      await forward(input, init)
      throw new TypeError('cut')
    })
    const refused = await create({ subject: 'stuck' })
    harness.interceptStore((forward) => forward)
    expect(refused.status).toBe(503)
    const [stuck] = await harness.services.uploads.list(app.id, { subject: 'stuck', limit: 1 })
    const store = harness.services.storeNamed('default')
    expect(await store.listUploads(stuck!.key)).toHaveLength(1)
    harness.advance({ minutes: 2 })

    await harness.sweep()

    expect(await find(stuck!.id)).toMatchObject({ state: 'failed', failure: 'initiate-incomplete' })
    expect(await store.listUploads(stuck!.key)).toEqual([])
  })

  it('finishes a session that a dead request completed at the store', async () => {
    const { body: created } = await create()
    await sendAll(created)
    let asked = false
    harness.interceptStore((forward) => async (input, init) => {
      if (init?.method === 'POST') {
        await forward(input, init)
        asked = true
      }
      if (asked) throw new TypeError('cut')
      return forward(input, init)
    })
    expect((await complete(created)).status).toBe(202)
    harness.interceptStore((forward) => forward)
    harness.advance({ minutes: 2 })

    await harness.sweep()

    expect(await find(created.id)).toMatchObject({ state: 'completed', revision: 2 })
  })

  it('finds a direct completion whose callback never came', async () => {
    const { body: created } = await create()
    await sendAll(created)
    const { body } = await complete(created, { mode: 'direct' })
    const lost = body.direct.url.replace(/callback=[^&]*&callback-var=[^&]*&/, '')
    expect(lost).not.toBe(body.direct.url)
    const session = await find(created.id)
    const store = harness.services.storeNamed('default')
    const parts = []
    const upload = { key: session!.key, storageUploadId: session!.storageUploadId! }
    for await (const page of store.listParts(upload)) parts.push(...page)
    await store.complete(upload, parts, { overwrite: 'never' })
    harness.advance({ minutes: 2 })

    await harness.sweep()

    expect(await find(created.id)).toMatchObject({ state: 'completed' })
  })

  it('processes a callback that was received but not worked on', async () => {
    const { body: created } = await create()
    await sendAll(created)
    await complete(created, { mode: 'direct' })
    const session = await find(created.id)
    const store = harness.services.storeNamed('default')
    const parts = []
    const upload = { key: session!.key, storageUploadId: session!.storageUploadId! }
    for await (const page of store.listParts(upload)) parts.push(...page)
    await store.complete(upload, parts, { overwrite: 'never' })
    const row = { appId: app.id, uploadId: created.id, requestId: 'r1', store: 'default' }
    await harness.services.callbacks.insert(
      { ...row, reported: { key: created.key, sizeBytes: created.plan.sizeBytes } },
      harness.clock(),
    )
    harness.advance({ seconds: 20 })

    await harness.sweep()

    expect(await find(created.id)).toMatchObject({ state: 'completed' })
    expect(await harness.services.callbacks.unprocessed(app.id, harness.clock(), 10)).toEqual([])
  })
})

describe('whose object it is', () => {
  it('two sessions with one key never finish for each other', async () => {
    await harness.call('PUT', `/v1/apps/${app.id}/policies/flat`, ADMIN_KEY, {
      keyTemplate: 'inbox/{filename}',
    })
    const [one, two] = [await create({ policy: 'flat' }), await create({ policy: 'flat' })]
    expect(one.body.key).toBe(two.body.key)
    await sendAll(one.body)
    await sendAll(two.body, someBytes(250 * KiB, 5))

    const first = await complete(one.body)
    const second = await complete(two.body)

    expect(first).toMatchObject({ status: 200, body: { state: 'completed' } })
    expect(second).toMatchObject({ status: 409, body: { code: 'object-exists' } })
    expect(await find(two.body.id)).toMatchObject({ state: 'open' })
    harness.advance({ minutes: 20 })
    expect(await harness.call('DELETE', `/v1/uploads/${two.body.id}`, app.apiKey)).toMatchObject({
      status: 200,
      body: { state: 'aborted' },
    })
    // Aborting the second does not touch the first.
    expect(await harness.services.storeNamed('default').head(one.body.key)).toMatchObject({
      uploadId: one.body.id,
    })
  })

  it('is deleted by its version, where the bucket has versions', async () => {
    const { body: created } = await create({ sizeBytes: 1000 })
    await putPart(created.parts[0], someBytes(1000), 1000)
    const store = harness.services.storeNamed('default')
    const original = { head: store.head, delete: store.delete }
    const deleted: unknown[] = []
    store.head = async (key) => {
      const object = await original.head(key)
      return object && { ...object, versionId: 'v1' }
    }
    store.delete = (key, only) => {
      deleted.push([key, only.versionId])
      return original.delete(key, { ifMatch: only.ifMatch })
    }

    const aborted = await harness.call('DELETE', `/v1/uploads/${created.id}`, app.apiKey)
    Object.assign(store, original)

    expect(aborted).toMatchObject({ status: 200, body: { state: 'aborted' } })
    expect(deleted).toEqual([[created.key, 'v1']])
  })

  it('after completion an abort is refused and the object stays', async () => {
    const { body: created } = await create()
    await sendAll(created)
    await complete(created)

    const answer = await harness.call('DELETE', `/v1/uploads/${created.id}`, app.apiKey)

    expect(answer).toMatchObject({ status: 409, body: { code: 'upload-not-open' } })
    expect(await harness.services.storeNamed('default').head(created.key)).toBeDefined()
  })

  it('an abort repeated answers the same, and part URLs are dead at the store', async () => {
    const { body: created } = await create()
    const abort = () => harness.call('DELETE', `/v1/uploads/${created.id}`, created.uploadToken)

    expect(await abort()).toMatchObject({ status: 200, body: { id: created.id, state: 'aborted' } })
    expect(await abort()).toMatchObject({ status: 200, body: { id: created.id, state: 'aborted' } })
    const late = await putPart(created.parts[0], BYTES, 100 * KiB)
    expect(late.status).toBe(404)
  })

  it('a declared CRC64 that the parts do not have keeps the object from being made', async () => {
    const { body: created } = await create({ checksum: 'crc64:1' })
    await sendAll(created)

    expect(await complete(created)).toMatchObject({
      status: 422,
      body: { code: 'checksum-mismatch' },
    })
    expect(await harness.services.storeNamed('default').head(created.key)).toBeUndefined()
  })
})

describe('a quota', () => {
  it('is exact when many uploads are created at once, and free again after an abort', async () => {
    await harness.call('PUT', `/v1/apps/${app.id}/policies/few`, ADMIN_KEY, {
      quota: { openUploads: 3 },
    })
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => create({ subject: 'cy', policy: 'few' })),
    )

    const created = answers.filter(({ status }) => status === 201)
    expect(created).toHaveLength(3)
    for (const { status, body } of answers.filter((answer) => answer.status !== 201)) {
      expect([status, body.code]).toEqual([429, 'quota-exceeded'])
    }
    await harness.call('DELETE', `/v1/uploads/${created[0]!.body.id}`, app.apiKey)
    expect((await create({ subject: 'cy', policy: 'few' })).status).toBe(201)
  })

  it('turns reserved bytes into settled ones, once', async () => {
    const { body: created } = await create({ subject: 'dee' })
    await sendAll(created)
    await Promise.all([complete(created), complete(created), complete(created)])

    expect(await usage('dee')).toMatchObject({
      open_uploads: 0,
      reserved_bytes: '0',
      settled_bytes: String(BYTES.length),
    })
  })
})

it('the log of a session is chained by hash', async () => {
  const { body: created } = await create()
  await sendAll(created)
  await complete(created)
  const sql = postgres(harness.databaseUrl, { max: 1 })
  const rows = await sql`
    select type, body, hash from upload_events where upload_id = ${created.id} order by revision`
  await sql.end()

  expect(rows.map(({ type }) => type)).toEqual(['upload.created', 'upload.completed'])
  let hash = ''
  for (const row of rows) {
    hash = createHash('sha256')
      .update(hash + row.body)
      .digest('hex')
    expect(row.hash).toBe(hash)
  }
})

describe('keys of an issuer by URL', () => {
  it('are fetched, fetched again for an unknown key, and used on while the URL is down', async () => {
    const [old, fresh] = await Promise.all([generateKeyPair('ES256'), generateKeyPair('ES256')])
    const jwk = async (pair: typeof old, kid: string) => ({
      ...(await exportJWK(pair.publicKey)),
      kid,
      alg: 'ES256',
    })
    let keys = [await jwk(old, 'old')]
    let down = false
    let fetched = 0
    const server = createServer((_, response) => {
      fetched++
      if (down) response.writeHead(503).end()
      else response.end(JSON.stringify({ keys }))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    await harness.call('POST', `/v1/apps/${app.id}/issuers`, ADMIN_KEY, {
      issuer: 'https://jwks.example',
      audience: 'app',
      jwksUrl: `http://127.0.0.1:${port}/jwks.json`,
      algorithms: ['ES256'],
    })
    const list = async (pair: typeof old, kid: string) => {
      const token = await new SignJWT({ sub: 'ada' })
        .setProtectedHeader({ alg: 'ES256', kid })
        .setIssuer('https://jwks.example')
        .setAudience('app')
        .setExpirationTime(Math.floor(harness.clock().getTime() / 1000) + 600)
        .sign(pair.privateKey)
      return (await harness.call('GET', '/v1/uploads', token)).status
    }

    expect([await list(old, 'old'), await list(old, 'old'), fetched]).toEqual([200, 200, 1])
    keys = [await jwk(old, 'old'), await jwk(fresh, 'fresh')]
    // Unknown keys are fetched at most twice a minute.
    expect([await list(fresh, 'fresh'), fetched]).toEqual([401, 1])
    harness.advance({ minutes: 1 })
    expect([await list(fresh, 'fresh'), fetched]).toEqual([200, 2])
    down = true
    harness.advance({ hours: 2 })
    expect(await list(fresh, 'fresh')).toBe(200)
    harness.advance({ hours: 25 })
    expect(await list(fresh, 'fresh')).toBe(401)
    server.close()
  })
})
