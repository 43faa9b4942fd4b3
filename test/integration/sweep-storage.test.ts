// Storage that belongs to no living session: ours is released, and foreign uploads are counted and left alone.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ObjectStore } from '../../src/core/ports/object-store.ts'
import {
  ADMIN_KEY,
  type Harness,
  type HarnessOptions,
  putPart,
  someBytes,
  startHarness,
} from '../support/harness.ts'
import { expectExactQuota, expectNoOrphans, query, settle } from '../support/invariants.ts'

const KiB = 1024
const BYTES = someBytes(250 * KiB)

let harness: Harness
let app: { id: string; apiKey: string; keyPrefix: string }

async function begin(options: HarnessOptions = {}, policy: Record<string, unknown> = {}) {
  harness = await startHarness(options)
  app = await harness.createApp(policy)
}
afterEach(() => harness.stop())

const store = () => harness.services.storeNamed('default') as ObjectStore
const create = async (body: Record<string, unknown> = {}) => {
  const { body: created } = await harness.call('POST', '/v1/uploads', app.apiKey, {
    subject: 'ada',
    filename: 'a.bin',
    sizeBytes: BYTES.length,
    partSizeBytes: 100 * KiB,
    ...body,
  })
  return created
}
const find = (id: string) => harness.services.uploads.find(app.id, id)
const abort = (id: string) => harness.call('DELETE', `/v1/uploads/${id}`, app.apiKey)

/** Begins a storage upload that belongs to no session. */
const plant = (key: string) =>
  store().initiate({
    key,
    uploadId: 'upl_ffffffffffffffffffffffffffffffff',
    contentType: 'text/plain',
    overwrite: 'replace',
  })
const isThere = async (key: string, id: string) =>
  (await store().listUploads(key)).some(({ storageUploadId }) => storageUploadId === id)
const days = async (count: number) => {
  for (let day = 0; day < count; day++) {
    harness.advance({ hours: 24 })
    await harness.sweep()
  }
}
const scan = async () =>
  (await query(harness, 'select * from storage_scans where app_id = $1', [app.id]))[0]

describe('foreign uploads', () => {
  beforeEach(() => begin())

  it('survive every sweep, wherever they lie, and are counted with the age of the oldest', async () => {
    const ended = await create()
    const living = await create({ policy: undefined })
    const prefix = `${app.id}/`
    const foreign = [
      'elsewhere/file.bin', // outside of every app's prefix: nobody's business of ours
      `${prefix}tool/file.bin`,
      `${prefix}ada/upl_00000000000000000000000000000000/a.bin`, // like one of ours, and is not
      `${ended.key}.bak`, // begins with a key of ours
    ]
    const planted = new Map<string, string>()
    for (const key of foreign) planted.set(key, await plant(key))
    await abort(ended.id)

    const first = await harness.sweep()
    await days(30)
    const last = await harness.sweep()

    expect(first).toMatchObject({ foreign: 3, foreignAborted: 0 })
    expect(last).toMatchObject({ foreignAborted: 0, orphans: 0 })
    for (const [key, id] of planted) expect([key, await isThere(key, id)]).toEqual([key, true])
    expect((await find(living.id))?.state).toBe('expired')
    expect(await scan()).toMatchObject({ foreign_uploads: 3 })
    const age = harness.clock().getTime() - new Date((await scan())!.oldest_foreign_at).getTime()
    expect(age / 86_400_000).toBeCloseTo(30, 1)
  })

  it('under the key of a session that others could have chosen are not taken for its orphans', async () => {
    await harness.call('PUT', `/v1/apps/${app.id}/policies/flat`, ADMIN_KEY, {
      keyTemplate: '{filename}',
    })
    const created = await create({ policy: 'flat' })
    const id = await plant(created.key)

    await abort(created.id)
    await settle(harness)

    expect((await find(created.id))?.storageReleasedAt).toBeInstanceOf(Date)
    await expectNoOrphans(harness, created.key, [id])
    await expectExactQuota(harness)
  })

  it('are listed page by page, and a listing continues where the last run ended', async () => {
    const listPage = store().listUploadsBelow
    let asked = 0
    // A store whose pages hold one upload.
    store().listUploadsBelow = async (prefix, after) => {
      asked++
      const { uploads } = await listPage(prefix, after)
      const [upload] = uploads
      return uploads.length > 1 ? { uploads: [upload!], next: upload } : { uploads }
    }
    for (let number = 10; number < 23; number++) await plant(`${app.id}/tool/${number}`)

    const first = await harness.sweep()
    expect([first.foreign, asked]).toEqual([10, 10])
    expect(await scan()).toMatchObject({ foreign_so_far: 10, scanned_at: null })
    const second = await harness.sweep()

    expect([second.foreign, asked]).toEqual([3, 13])
    expect(await scan()).toMatchObject({ foreign_uploads: 13, foreign_so_far: 0, marker: null })
    // The scan runs once an hour.
    harness.advance({ minutes: 30 })
    await harness.sweep()
    expect(asked).toBe(13)
    harness.advance({ minutes: 31 })
    await harness.sweep()
    expect(asked).toBeGreaterThan(13)
  })
})

describe('in an exclusive store foreign uploads', () => {
  beforeEach(() =>
    begin(
      { storeSettings: { exclusive: true } },
      { maxSeconds: 30 * 86_400, idleSeconds: 30 * 86_400 },
    ),
  )

  it('go after seven days, below an app’s prefix only; those of living sessions never', async () => {
    const living = await create()
    const sibling = `${app.id}2/file.bin` // begins like the prefix, and is not below it
    const [outside, beside, below] = [
      await plant('elsewhere/file.bin'),
      await plant(sibling),
      await plant(`${app.id}/tool/file.bin`),
    ]
    await days(6)
    expect(await isThere(`${app.id}/tool/file.bin`, below)).toBe(true)
    await days(3)

    expect(await isThere(`${app.id}/tool/file.bin`, below)).toBe(false)
    expect(await isThere('elsewhere/file.bin', outside)).toBe(true)
    expect(await isThere(sibling, beside)).toBe(true)
    const { storageUploadId } = (await find(living.id))!
    expect((await find(living.id))?.state).toBe('open')
    expect(await isThere(living.key, storageUploadId!)).toBe(true)
  })
})

describe('orphans of ours', () => {
  beforeEach(() => begin())

  it('that arrive after the release are found by their exact key, counted and aborted', async () => {
    const aborted = await create()
    await abort(aborted.id)
    const completed = await create()
    for (const part of completed.parts) await putPart(part, BYTES, 100 * KiB)
    const path = `/v1/uploads/${completed.id}/complete`
    expect((await harness.call('POST', path, completed.completionToken)).status).toBe(200)
    await settle(harness)
    await plant(aborted.key)
    await plant(completed.key)

    harness.advance({ hours: 1 })
    const { orphans, oldestOrphanSeconds, foreign } = await harness.sweep()

    expect([orphans, foreign]).toEqual([2, 0])
    expect(Math.round(oldestOrphanSeconds / 60)).toBe(60)
    await expectNoOrphans(harness, aborted.key)
    await expectNoOrphans(harness, completed.key)
    // None of this touches the completed object.
    expect(await store().head(completed.key)).toMatchObject({ uploadId: completed.id })
  })

  it('more than one visit can abort are aborted by several visits', async () => {
    const created = await create()
    await Promise.all(Array.from({ length: 130 }, () => plant(created.key)))
    await abort(created.id)
    expect((await find(created.id))?.storageReleasedAt).toBeUndefined()
    await settle(harness)
    await expectNoOrphans(harness, created.key)
    expect((await find(created.id))?.storageReleasedAt).toBeInstanceOf(Date)
  })
})

describe('where the store does not bind a part’s length', () => {
  beforeEach(() =>
    begin({ storeSettings: { bindLength: false } }, { urlSeconds: 3600, maxSizeBytes: 1e6 }),
  )
  const oversized = (created: Record<string, any>, number: number, sizeBytes: number) =>
    fetch(created.parts[number - 1].url, { method: 'PUT', body: someBytes(sizeBytes) })

  it('URLs live 15 minutes at most', async () => {
    const created = await create()
    const lives = Date.parse(created.partsExpireAt) - harness.clock().getTime()
    expect(lives).toBeLessThanOrEqual(15 * 60_000)
    expect(lives).toBeGreaterThan(14 * 60_000)
  })

  it('a session with more than one part too much is aborted, and watched for as long as it is open', async () => {
    const [over, edge, unknown] = [
      await create(),
      await create(),
      await create({ sizeBytes: undefined }),
    ]
    // 250 KiB were declared, in parts of 100 KiB: 350 KiB are tolerated, one byte more is not.
    expect((await oversized(edge, 1, 350 * KiB)).status).toBe(200)
    expect((await oversized(over, 1, 250 * KiB)).status).toBe(200)
    expect((await oversized(unknown, 1, 900 * KiB)).status).toBe(200)
    harness.advance({ minutes: 11 })
    await harness.sweep()
    expect((await find(over.id))?.state).toBe('open')

    expect((await oversized(over, 2, 100 * KiB + 1)).status).toBe(200)
    expect((await oversized(unknown, 2, 200 * KiB)).status).toBe(200)
    harness.advance({ minutes: 11 })
    await harness.sweep()

    expect(await find(over.id)).toMatchObject({ state: 'failed', failure: 'file-too-large' })
    expect(await find(unknown.id)).toMatchObject({ state: 'failed', failure: 'file-too-large' })
    expect((await find(edge.id))?.state).toBe('open')
    await expectNoOrphans(harness, over.key)
    await expectExactQuota(harness)
  })
})

describe('a bucket that cleans up by itself', () => {
  it('ends no session later than its uploads', async () => {
    await begin({ storeSettings: { cleanupDays: 3 } })
    const created = await create()
    expect(Date.parse(created.expiresAt) - Date.parse(created.createdAt)).toBe(3 * 86_400_000)
  })
})
