// No URL outlives the credential that signed it: parts, single PUT, reading, direct completion.
import { afterAll, beforeAll, expect, it } from 'vitest'
import {
  type Harness,
  putPart,
  type SignedPart,
  someBytes,
  startHarness,
} from '../support/harness.ts'

const KiB = 1024
const BYTES = someBytes(150 * KiB)
const LIFE_SECONDS = 120

let harness: Harness
let app: { id: string; apiKey: string }

beforeAll(async () => {
  const credentialsExpireAt = new Date(Date.now() + LIFE_SECONDS * 1000).toISOString()
  harness = await startHarness({ storeSettings: { credentialsExpireAt } })
  app = await harness.createApp({ direct: true })
})
afterAll(() => harness.stop())

const create = async (sizeBytes = BYTES.length, partSizeBytes: number | undefined = 100 * KiB) =>
  (
    await harness.call('POST', '/v1/uploads', app.apiKey, {
      subject: 'ada',
      filename: 'a.bin',
      sizeBytes,
      partSizeBytes,
    })
  ).body
const complete = (created: Record<string, any>, body: unknown = {}) =>
  harness.call('POST', `/v1/uploads/${created.id}/complete`, created.completionToken, body)
const read = (id: string) => harness.call('GET', `/v1/uploads/${id}/object`, app.apiKey)
const lifeOf = (url: string) => Number(new URL(url).searchParams.get('x-oss-expires'))

it('ends with the credential, and then nothing is signed any more', async () => {
  const single = await create(1000, undefined)
  const done = await create()
  const open = await create()
  for (const created of [done, open]) {
    for (const part of created.parts) await putPart(part, BYTES, 100 * KiB)
  }
  await complete(done)
  const { direct } = (await complete(open, { mode: 'direct' })).body
  const { headers } = await read(done.id)

  expect(single.method).toBe('single')
  const urls = [single.parts[0].url, open.parts[0].url, direct.url, headers.get('location')!]
  for (const url of urls) {
    expect(lifeOf(url)).toBeGreaterThan(0)
    expect(lifeOf(url)).toBeLessThanOrEqual(LIFE_SECONDS)
  }

  harness.advance({ seconds: LIFE_SECONDS })
  const parts = await harness.call('POST', `/v1/uploads/${open.id}/parts`, open.uploadToken, {
    partNumbers: [1],
  })
  for (const refused of [parts, await read(done.id), await complete(open, { mode: 'direct' })]) {
    expect(refused).toMatchObject({ status: 503, body: { code: 'storage-unavailable' } })
  }
})

it('of a single PUT ends with the upload token, which lives 15 minutes and signs nothing after the session', async () => {
  const own = await startHarness()
  const { apiKey } = await own.createApp({})
  const body = { subject: 'ada', filename: 'a.bin', sizeBytes: 1000 }
  const [single, parts] = await Promise.all([
    own.call('POST', '/v1/uploads', apiKey, body),
    own.call('POST', '/v1/uploads', apiKey, {
      ...body,
      sizeBytes: BYTES.length,
      partSizeBytes: 100 * KiB,
    }),
  ])
  const sign = ({ body: { id } }: typeof single, token: string) =>
    own.call('POST', `/v1/uploads/${id}/parts`, token, { partNumbers: [1] })
  const put = (part: SignedPart, seed: number) => putPart(part, someBytes(1000, seed), 1000)
  expect([single.body.method, parts.body.method]).toEqual(['single', 'multipart'])
  expect(lifeOf(single.body.parts[0].url)).toBeLessThanOrEqual(900)

  own.advance({ minutes: 14 })
  const late = await sign(single, single.body.uploadToken)
  expect(lifeOf(late.body.parts[0].url)).toBeLessThanOrEqual(60)
  const renewed = await own.call('GET', `/v1/uploads/${single.body.id}`, apiKey)
  expect((await put(late.body.parts[0], 1)).status).toBe(200)
  const path = `/v1/uploads/${single.body.id}/complete`
  const done = await own.call('POST', path, single.body.completionToken, {})
  expect(done.body.state).toBe('completed')
  // The app moves the object away. A stolen URL or token can put other bytes there only while it is valid.
  const store = own.services.storeNamed('default')
  await store.delete(single.body.key, { ifMatch: done.body.object.etag })
  own.advance({ minutes: 1 })
  expect((await put(late.body.parts[0], 2)).status).toBe(403)
  expect(await sign(single, single.body.uploadToken)).toMatchObject({
    status: 401,
    body: { code: 'unauthenticated' },
  })
  const last = await sign(single, renewed.body.uploadToken)
  expect(last.status).toBe(200)
  own.advance({ minutes: 14 })
  expect((await put(last.body.parts[0], 2)).status).toBe(403)
  const after = await own.call('GET', `/v1/uploads/${single.body.id}`, apiKey)
  expect(await sign(single, after.body.uploadToken)).toMatchObject({
    status: 409,
    body: { code: 'upload-expired' },
  })

  // Parts can be revoked at the store, because their token lives for an hour.
  own.advance({ minutes: 30 })
  expect((await sign(parts, parts.body.uploadToken)).status).toBe(200)
  own.advance({ minutes: 1 })
  expect((await sign(parts, parts.body.uploadToken)).status).toBe(401)
  await own.stop()
})
