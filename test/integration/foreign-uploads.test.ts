// Storage uploads that somebody else began in the same bucket survive every sweep.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Harness, startHarness } from '../support/harness.ts'

const KiB = 1024

let harness: Harness
beforeAll(async () => {
  harness = await startHarness()
})
afterAll(() => harness.stop())

const begin = (key: string) =>
  harness.services
    .storeNamed('default')
    .initiate({ key, uploadId: 'somebody-else', contentType: 'x/y', overwrite: 'replace' })
const left = async (key: string) =>
  (await harness.services.storeNamed('default').listUploads(key)).map(
    ({ storageUploadId }) => storageUploadId,
  )

/** Sessions that end in each way, so that the sweep releases what they hold. */
async function endings(app: { apiKey: string }) {
  const create = async (filename: string) =>
    (
      await harness.call('POST', '/v1/uploads', app.apiKey, {
        subject: 'ada',
        filename,
        sizeBytes: 250 * KiB,
        partSizeBytes: 100 * KiB,
      })
    ).body
  const aborted = await create('aborted.bin')
  const expired = await create('expired.bin')
  // The store began it, but its answer was lost, so only the listing by exact key finds it.
  harness.interceptStore((forward) => async (input, init) => {
    await forward(input, init)
    throw new TypeError('cut')
  })
  await create('stuck.bin')
  harness.interceptStore((forward) => forward)
  return { create, aborted, expired }
}

const sweepAll = async () => {
  harness.advance({ hours: 30 })
  for (let run = 0; run < 4; run++) {
    await harness.sweep()
    harness.advance({ minutes: 20 })
  }
}

it('a neighbour of every session’s key, and another prefix', async () => {
  const app = await harness.createApp({})
  const { aborted, expired } = await endings(app)
  const [stuck] = await harness.services.uploads.list(app.id, { state: 'initiating', limit: 1 })
  const keys = [aborted.key, expired.key, stuck!.key]
  const foreign = keys.flatMap((key: string) => [
    `${key}!`,
    `${key}/part`,
    key.slice(0, -1),
    `other/${key}`,
    key.replace(/^[^/]+/, 'other'),
  ])
  const ids = await Promise.all(foreign.map(begin))
  await harness.call('DELETE', `/v1/uploads/${aborted.id}`, app.apiKey)

  await sweepAll()

  expect(await Promise.all(keys.map(left))).toEqual([[], [], []])
  expect(await Promise.all(foreign.map(left))).toEqual(ids.map((id) => [id]))
  for (const session of await harness.services.uploads.list(app.id, { limit: 10 })) {
    expect(session.storageReleasedAt).toBeInstanceOf(Date)
  }
})

it('the very same key, where the key does not hold the session’s id', async () => {
  const app = await harness.createApp({ keyTemplate: '{subject}/{filename}', overwrite: 'replace' })
  const { aborted, expired } = await endings(app)
  const [stuck] = await harness.services.uploads.list(app.id, { state: 'initiating', limit: 1 })
  const keys = [aborted.key, expired.key, stuck!.key]
  const before = await left(stuck!.key)
  const ids = await Promise.all(keys.map(begin))
  await harness.call('DELETE', `/v1/uploads/${aborted.id}`, app.apiKey)

  await sweepAll()

  // Under such a key, our own leftover looks like somebody else's upload. The bucket's lifecycle rule removes it.
  expect(await left(keys[0]!)).toEqual([ids[0]])
  expect(await left(keys[1]!)).toEqual([ids[1]])
  expect((await left(keys[2]!)).sort()).toEqual([...before, ids[2]].sort())
})
