// The sweep's rules about sessions: when they end, what it releases, what it completes without the client, what it counts.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { crc64 } from '../../src/bytes/crc64.ts'
import { StoreFailure } from '../../src/core/ports/store-failure.ts'
import { gate } from '../support/gates.ts'
import { ADMIN_KEY, type Harness, putPart, someBytes, startHarness } from '../support/harness.ts'
import { expectExactQuota, expectNoOrphans, query, settle } from '../support/invariants.ts'

const KiB = 1024
const BYTES = someBytes(250 * KiB)
const CRC64 = `crc64:${crc64(BYTES)}`

let harness: Harness
let app: { id: string; apiKey: string }

beforeAll(async () => {
  harness = await startHarness({ moreStores: ['second'] })
  app = await harness.createApp({ direct: true })
})
afterAll(() => harness.stop())

const policy = (name: string, document: Record<string, unknown>) =>
  harness.call('PUT', `/v1/apps/${app.id}/policies/${name}`, ADMIN_KEY, document)
const create = async (body: Record<string, unknown> = {}, key = app.apiKey) => {
  const { body: created } = await harness.call('POST', '/v1/uploads', key, {
    subject: 'ada',
    filename: 'a.bin',
    sizeBytes: BYTES.length,
    partSizeBytes: 100 * KiB,
    ...body,
  })
  return created
}
const send = async (created: Record<string, any>, numbers = [1, 2, 3]) => {
  for (const number of numbers) {
    const answer = await putPart(created.parts[number - 1], BYTES, created.plan.partSizeBytes)
    expect(answer.status).toBe(200)
  }
}
const find = (id: string) => harness.services.uploads.find(app.id, id)
const abort = (id: string) => harness.call('DELETE', `/v1/uploads/${id}`, app.apiKey)
const store = () => harness.services.storeNamed('default')

describe('an open session', () => {
  it('ends at its absolute end, however active its client is', async () => {
    const created = await create()
    for (let day = 0; day < 9; day++) {
      harness.advance({ hours: 19 })
      await harness.call('GET', `/v1/uploads/${created.id}`, app.apiKey)
      await harness.sweep()
      // 8 × 19 h are less than seven days, 9 × 19 h are more.
      expect((await find(created.id))?.state).toBe(day < 8 ? 'open' : 'expired')
    }
    await expectNoOrphans(harness, created.key)
  })

  it('ends at its absolute end where that comes before the idle one', async () => {
    await policy('short', { maxSeconds: 1200 })
    const created = await create({ policy: 'short' })
    harness.advance({ minutes: 11 })
    await harness.sweep()
    expect((await find(created.id))?.state).toBe('open')
    harness.advance({ minutes: 10 })
    await harness.sweep()
    expect((await find(created.id))?.state).toBe('expired')
  })

  it('is kept by parts that arrive, though no word of its client does', async () => {
    await policy('long', { urlSeconds: 43_200 })
    const created = await create({ policy: 'long' })
    harness.advance({ hours: 11 })
    await send(created, [1])
    harness.advance({ hours: 20 })
    await harness.sweep()
    expect((await find(created.id))?.state).toBe('open')
    harness.advance({ hours: 5 })
    await harness.sweep()
    expect((await find(created.id))?.state).toBe('expired')
  })

  it('whose storage upload is lost ends, too, and is begun anew three times at most', async () => {
    const created = await create()
    const lose = async () => {
      const { key, storageUploadId } = (await find(created.id))!
      await store().abort({ key, storageUploadId: storageUploadId! })
    }
    const heal = () => harness.call('GET', `/v1/uploads/${created.id}`, app.apiKey)
    for (let generation = 2; generation <= 3; generation++) {
      await lose()
      expect((await heal()).body).toMatchObject({ healed: true, state: 'open' })
      expect(await find(created.id)).toMatchObject({ generation })
    }
    await lose()
    expect((await heal()).body).toMatchObject({ state: 'failed', failure: 'storage-upload-lost' })

    const idle = await create()
    const { key, storageUploadId } = (await find(idle.id))!
    await store().abort({ key, storageUploadId: storageUploadId! })
    harness.advance({ hours: 25 })
    await harness.sweep()
    expect((await find(idle.id))?.state).toBe('expired')
  })
})

describe('a session left in completing', () => {
  /** A store that no longer knows the storage upload at the second completion. */
  async function stuck(document: Record<string, unknown> = {}) {
    await policy('stuck', document)
    const created = await create({ policy: 'stuck' })
    await send(created)
    const held = gate(store(), 'complete', { when: 'before' })
    harness.interceptStore(() => async () => {
      throw new TypeError('cut')
    })
    const completing = harness.call(
      'POST',
      `/v1/uploads/${created.id}/complete`,
      created.completionToken,
    )
    harness.interceptStore((forward) => forward)
    await held.reached
    harness.interceptStore(() => async () => {
      throw new TypeError('cut')
    })
    held.open()
    expect((await completing).status).toBe(202)
    harness.interceptStore((forward) => forward)
    const { key, storageUploadId } = (await find(created.id))!
    await store().abort({ key, storageUploadId: storageUploadId! })
    return created
  }

  it('is open again when its storage upload was missed twice, a minute apart', async () => {
    const created = await stuck()
    harness.advance({ minutes: 2 })
    await harness.sweep()
    expect(await find(created.id)).toMatchObject({ state: 'completing' })
    harness.advance({ seconds: 61 })
    await harness.sweep()
    expect(await find(created.id)).toMatchObject({ state: 'open' })
    // Neither healed nor aborted until the window after the attempt has ended.
    const status = () => harness.call('GET', `/v1/uploads/${created.id}`, app.apiKey)
    expect((await status()).body.code).toBe('upload-completing')
    harness.advance({ minutes: 15 })
    expect((await status()).body).toMatchObject({ healed: true })
    await abort(created.id)
  })

  it('has failed where its time is over', async () => {
    const created = await stuck({ maxSeconds: 120 })
    harness.advance({ minutes: 3 })
    await harness.sweep()
    harness.advance({ seconds: 61 })
    await harness.sweep()
    expect(await find(created.id)).toMatchObject({
      state: 'failed',
      failure: 'storage-upload-lost',
    })
  })

  it('that the store completes later than anybody waited is finished, not expired', async () => {
    const created = await create()
    await send(created)
    const complete = store().complete
    let atStore = () => Promise.resolve()
    store().complete = async (...parameters) => {
      atStore = () => complete(...parameters)
      throw new StoreFailure('ambiguous', 'NoAnswer', 0)
    }
    const path = `/v1/uploads/${created.id}/complete`
    expect((await harness.call('POST', path, created.completionToken)).status).toBe(202)
    store().complete = complete
    harness.advance({ minutes: 17 })
    await harness.sweep()
    expect((await find(created.id))?.state).toBe('open')
    await atStore()
    harness.advance({ hours: 25 })
    await harness.sweep()
    expect((await find(created.id))?.state).toBe('completed')
  })

  it('whose parts are still listed is open again when the window has ended', async () => {
    const created = await create()
    await send(created)
    const complete = store().complete
    store().complete = async () => {
      throw new StoreFailure('ambiguous', 'NoAnswer', 0)
    }
    const path = `/v1/uploads/${created.id}/complete`
    expect((await harness.call('POST', path, created.completionToken)).status).toBe(202)
    store().complete = complete
    harness.advance({ minutes: 13 })
    await harness.sweep()
    expect((await find(created.id))?.state).toBe('completing')
    harness.advance({ minutes: 3 })
    await harness.sweep()
    expect((await find(created.id))?.state).toBe('open')
    expect((await harness.call('POST', path, created.completionToken)).status).toBe(200)
  })
})

describe('storage', () => {
  it('is released only when the store says that it knows nothing of it', async () => {
    // Others could have chosen this key, so a listing by key proves nothing.
    await policy('named', { keyTemplate: '{filename}' })
    const created = await create({ subject: 'rel', policy: 'named' })
    let asked = 0
    harness.interceptStore((forward) => async (input, init) => {
      if (init?.method !== 'DELETE') return forward(input, init)
      asked++
      return new Response(null, { status: asked <= 5 ? 503 : 204 })
    })
    expect((await abort(created.id)).status).toBe(200)
    for (let run = 0; run < 6; run++) {
      harness.advance({ minutes: 2 })
      await harness.sweep()
    }
    // 503 first, then always 204: neither is NoSuchUpload.
    expect(asked).toBeGreaterThan(5)
    expect((await find(created.id))?.storageReleasedAt).toBeUndefined()
    await expectExactQuota(harness)
    harness.interceptStore((forward) => forward)
    harness.advance({ minutes: 2 })
    const { released, releasedBytes } = await harness.sweep()
    expect([released, releasedBytes]).toEqual([1, BYTES.length])
    expect((await find(created.id))?.storageReleasedAt).toBeInstanceOf(Date)
    await expectExactQuota(harness)
  })

  it('of a single upload is released when no PUT can come any more; each that came is removed', async () => {
    const created = await create({ sizeBytes: 1000, subject: 'late' })
    const [part] = created.parts
    const renewed = await harness.call('GET', `/v1/uploads/${created.id}`, app.apiKey)
    await abort(created.id)
    const put = async (signed: Record<string, any>) =>
      (
        await fetch(signed.url, {
          method: 'PUT',
          headers: signed.headers,
          body: BYTES.subarray(0, 1000),
        })
      ).status
    const sign = (token: string) =>
      harness.call('POST', `/v1/uploads/${created.id}/parts`, token, { partNumbers: [1] })

    expect(await put(part)).toBe(200)
    harness.advance({ minutes: 2 })
    await harness.sweep()
    expect(await store().head(created.key)).toBeUndefined()

    // A token from before the end still signs until it expires. No token from after the end does.
    harness.advance({ minutes: 11 })
    const last = await sign(renewed.body.uploadToken)
    expect(last.status).toBe(200)
    const after = await harness.call('GET', `/v1/uploads/${created.id}`, app.apiKey)
    expect(await sign(after.body.uploadToken)).toMatchObject({
      status: 409,
      body: { code: 'upload-expired' },
    })
    harness.advance({ minutes: 1 })
    expect(await put(last.body.parts[0])).toBe(200)
    await harness.sweep()
    expect((await find(created.id))?.storageReleasedAt).toBeUndefined()
    await expectExactQuota(harness)
    harness.advance({ minutes: 7 })
    await harness.sweep()
    expect(await store().head(created.key)).toBeUndefined()
    expect((await find(created.id))?.storageReleasedAt).toBeInstanceOf(Date)
    await expectExactQuota(harness)
  })

  it('an object without our stamp under a session’s key is never finished, failed or removed', async () => {
    await policy('flat', { keyTemplate: '{filename}' })
    const created = await create({ policy: 'flat', filename: 'taken.bin' })
    await store().putEmpty({
      key: created.key,
      uploadId: 'upl_ffffffffffffffffffffffffffffffff',
      contentType: 'text/plain',
      overwrite: 'replace',
    })
    await abort(created.id)
    await settle(harness)
    expect(await find(created.id)).toMatchObject({ state: 'aborted' })
    expect((await find(created.id))?.storageReleasedAt).toBeInstanceOf(Date)
    expect(await store().head(created.key)).toMatchObject({ sizeBytes: 0 })
  })
})

describe('completing without the client', () => {
  const quiet = async () => {
    harness.advance({ minutes: 21 })
    await harness.sweep()
  }

  it('happens where a declared checksum matches, after ten quiet minutes, and is told like any other', async () => {
    await policy('auto', { autoComplete: true })
    const created = await create({ policy: 'auto', checksum: CRC64 })
    harness.advance({ minutes: 9 })
    await send(created)
    harness.advance({ minutes: 2 })
    await harness.sweep()
    expect((await find(created.id))?.state).toBe('open') // its parts are two minutes old

    await quiet()

    expect(await find(created.id)).toMatchObject({ state: 'completed', revision: 2 })
    const path = `/v1/uploads/${created.id}/complete`
    expect(await harness.call('POST', path, created.completionToken)).toMatchObject({
      status: 200,
      body: { state: 'completed' },
    })
  })

  it.each<[string, Record<string, unknown>, Record<string, unknown>, number[]]>([
    ['no policy says so', {}, { checksum: CRC64 }, [1, 2, 3]],
    ['no checksum vouches for the parts', { autoComplete: true }, {}, [1, 2, 3]],
    ['the checksum is another', { autoComplete: true }, { checksum: 'crc64:1' }, [1, 2, 3]],
    [
      'a checksum was declared that the store cannot compare',
      { autoComplete: 'unverified' },
      { checksum: `sha256:${'A'.repeat(43)}=` },
      [1, 2, 3],
    ],
    ['a part is missing', { autoComplete: 'unverified' }, {}, [1, 3]],
    [
      'the size is not known',
      { autoComplete: 'unverified', maxSizeBytes: 1e6 },
      { sizeBytes: undefined },
      [1, 2],
    ],
    ['the backend completes', { autoComplete: 'unverified', completion: 'backend' }, {}, [1, 2, 3]],
  ])('does not happen where %s', async (_, document, body, parts) => {
    await policy('strict', document)
    const created = await create({ policy: 'strict', ...body })
    await send(created, parts)

    await quiet()
    await quiet()

    expect((await find(created.id))?.state).toBe('open')
    expect(await store().head(created.key)).toBeUndefined()
    await abort(created.id)
  })

  it('happens without any checksum only where the policy says "unverified"', async () => {
    await policy('loose', { autoComplete: 'unverified' })
    const created = await create({ policy: 'loose' })
    await send(created)
    await quiet()
    expect((await find(created.id))?.state).toBe('completed')
  })
})

describe('a run', () => {
  it('of two sweepers at once ends each session once and counts it once', async () => {
    await settle(harness)
    const sessions = await Promise.all(Array.from({ length: 12 }, () => create({ subject: 'two' })))
    harness.advance({ hours: 25 })

    const runs = await Promise.all([harness.sweep(), harness.sweep()])

    expect(runs[0].released + runs[1].released).toBe(12)
    for (const { id } of sessions) {
      expect(await find(id)).toMatchObject({ state: 'expired', revision: 2 })
    }
    await expectExactQuota(harness)
  })

  it('takes the oldest first, ends in time, and goes on at the next', async () => {
    await settle(harness)
    const ids: string[] = []
    for (let count = 0; count < 8; count++) {
      ids.push((await create({ subject: 'many' })).id)
      harness.advance({ seconds: 1 })
    }
    harness.advance({ hours: 25 })
    // Each abort at the store takes ten seconds of the test's clock.
    harness.interceptStore((forward) => async (input, init) => {
      if (init?.method === 'DELETE') harness.advance({ seconds: 10 })
      return forward(input, init)
    })
    const states = async () => (await Promise.all(ids.map(find))).map((session) => session?.state)

    await harness.sweep()
    const first = await states()
    harness.interceptStore((forward) => forward)
    await harness.sweep()

    const reached = first.filter((state) => state === 'expired').length
    expect(reached).toBeGreaterThan(0)
    expect(reached).toBeLessThan(8)
    expect(first.slice(0, reached)).toEqual(Array(reached).fill('expired'))
    harness.advance({ minutes: 2 })
    await harness.sweep()
    expect(await states()).toEqual(Array(8).fill('expired'))
  })

  it('is not kept from others by a store that does not answer, and asks it once', async () => {
    await settle(harness)
    await policy('second', { store: 'second' })
    for (let count = 0; count < 5; count++) await create({ policy: 'second', subject: 'dead' })
    const alive = await create({ subject: 'alive' })
    const other = await harness.createApp({})
    const theirs = await create({ subject: 'alive' }, other.apiKey)
    harness.advance({ hours: 25 })
    const second = harness.services.storeNamed('second')
    const working = { ...second }
    let asked = 0
    const dead = () => {
      asked++
      throw new StoreFailure('ambiguous', 'NoAnswer', 0)
    }
    Object.assign(second, {
      abort: dead,
      head: dead,
      listUploads: dead,
      listUploadsBelow: dead,
      listParts: dead,
    })

    const { unanswered } = await harness.sweep()

    expect((await find(alive.id))?.storageReleasedAt).toBeInstanceOf(Date)
    const session = await harness.services.uploads.find(other.id, theirs.id)
    expect(session?.storageReleasedAt).toBeInstanceOf(Date)
    expect([asked, unanswered]).toEqual([1, 1])
    Object.assign(second, working)
    harness.advance({ minutes: 2 })
    expect((await harness.sweep()).released).toBe(5)
  })

  it('goes on where an app’s rows cannot be read, and where a store is not configured any more', async () => {
    await settle(harness)
    const other = await harness.createApp({})
    const theirs = await create({}, other.apiKey)
    const gone = await create({ subject: 'gone' })
    const mine = await create({ subject: 'mine' })
    await query(harness, `update uploads set store = 'gone' where upload_id = $1`, [gone.id])
    const row = { appId: app.id, uploadId: gone.id, requestId: 'r', store: 'gone', reported: {} }
    await harness.services.callbacks.insert(row, harness.clock())
    harness.advance({ hours: 25 })
    const { uploads } = harness.services
    const claimDue = uploads.claimDue
    uploads.claimDue = async (appId, ...rest) => {
      if (appId === other.id) throw new Error('relation is broken')
      return claimDue(appId, ...rest)
    }

    const { unanswered } = await harness.sweep()

    uploads.claimDue = claimDue
    expect(unanswered).toBe(1) // the app's; nothing was asked of a store that is not there
    expect((await find(mine.id))?.state).toBe('expired')
    expect((await find(gone.id))?.state).toBe('open')
    await harness.sweep()
    expect((await uploads.find(other.id, theirs.id))?.state).toBe('expired')
    await query(harness, `update uploads set store = 'default' where upload_id = $1`, [gone.id])
  })

  it('says in one line what it did', async () => {
    await settle(harness)
    await create({ subject: 'line' })
    harness.advance({ hours: 25 })
    harness.lines.length = 0

    await harness.sweep()
    await harness.sweep()

    const swept = harness.lines.filter((line) => line.includes('"swept"'))
    expect(swept).toHaveLength(1)
    expect(JSON.parse(swept[0]!)).toMatchObject({
      level: 'info',
      looked: 1,
      released: 1,
      releasedBytes: BYTES.length,
      orphans: 0,
      foreign: 0,
    })
  })
})
