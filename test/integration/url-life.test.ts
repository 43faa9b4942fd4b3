// No URL outlives the credential that signed it: parts, single PUT, reading, direct completion.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Harness, putPart, someBytes, startHarness } from '../support/harness.ts'

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
