// Quotas and grants under real concurrency: exact at every limit, and released or settled once despite repetitions.
import postgres from 'postgres'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ossSigner } from '../../src/storage/oss/sign.ts'
import { gate } from '../support/gates.ts'
import {
  ADMIN_KEY,
  type Answer,
  type Harness,
  putPart,
  someBytes,
  startHarness,
} from '../support/harness.ts'
import { expectExactQuota, expectNoOrphans, query, settle } from '../support/invariants.ts'

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
  app = await harness.createApp({})
})
afterEach(async () => {
  harness.interceptStore((forward) => forward)
  await expectExactQuota(harness)
  await settle(harness)
  await expectExactQuota(harness)
})

const policy = (document: Record<string, unknown>) =>
  harness.call('PUT', `/v1/apps/${app.id}/policies/default`, ADMIN_KEY, document)
const create = (
  body: Record<string, unknown> = {},
  { key, credential = app.apiKey }: { key?: string; credential?: string } = {},
) =>
  harness.call(
    'POST',
    '/v1/uploads',
    credential,
    {
      ...(credential === app.apiKey ? { subject: 'ada' } : {}),
      filename: 'a.bin',
      sizeBytes: SIZE,
      partSizeBytes: 100 * KiB,
      ...body,
    },
    key ? { 'idempotency-key': key } : {},
  )
const many = <Result>(count: number, one: (index: number) => Promise<Result>) =>
  Promise.all(Array.from({ length: count }, (_, index) => one(index)))
const abort = (id: string) => harness.call('DELETE', `/v1/uploads/${id}`, app.apiKey)
const complete = (id: string, body?: unknown) =>
  harness.call('POST', `/v1/uploads/${id}/complete`, app.apiKey, body)
const send = async ({ body: { parts, plan } }: Answer, count = parts.length) => {
  for (const part of parts.slice(0, count)) await putPart(part, BYTES, plan.partSizeBytes)
}
const usage = async (subject = 'ada') => {
  const text = 'select * from usage where app_id = $1 and subject = $2'
  const [row] = await query(harness, text, [app.id, subject])
  return {
    open: row!.open_uploads,
    reserved: Number(row!.reserved_bytes),
    settled: Number(row!.settled_bytes),
    day: Number(row!.day_bytes),
  }
}
const accepted = (answers: Answer[]) => answers.filter(({ status }) => status === 201)
const refusals = (answers: Answer[]) => [
  ...new Set(answers.filter(({ status }) => status !== 201).map(({ body }) => body.code)),
]
/** A store that refuses to begin an upload and answers everything else. */
const refuseInitiate = () =>
  harness.interceptStore((forward) => async (input, init) => {
    if (init?.method !== 'POST' || !String(input).includes('uploads')) return forward(input, init)
    return new Response('<Error><Code>AccessDenied</Code></Error>', { status: 403 })
  })
/** Sets the time of day, so that a test crosses midnight only on purpose. */
const goToHour = (hour: number) => {
  const now = harness.clock()
  const at = new Date(now)
  at.setUTCHours(hour, 0, 0, 0)
  harness.advance({ seconds: ((at.getTime() - now.getTime()) / 1000 + 86_400) % 86_400 })
}

describe('open uploads', () => {
  it('never pass the limit, however many are asked for at once', async () => {
    await policy({ quota: { openUploads: 7 } })
    const answers = await many(40, () => create())
    const created = accepted(answers)
    expect([created.length, refusals(answers)]).toEqual([7, ['quota-exceeded']])
    await expectExactQuota(harness)

    // Three aborts at once of each session count once.
    await Promise.all(created.slice(0, 3).map(({ body }) => many(3, () => abort(body.id))))
    expect((await usage()).open).toBe(4)
    expect(accepted(await many(20, () => create()))).toHaveLength(3)
  })

  it('of a subject that is new are as exact', async () => {
    await policy({ quota: { openUploads: 1 } })
    const answers = await many(30, (index) => create({ subject: `new-${index % 3}` }))
    expect(accepted(answers)).toHaveLength(3)
    await policy({ quota: { bytes: SIZE - 1 } })
    expect(refusals([await create({ subject: 'none' })])).toEqual(['quota-exceeded'])
  })
})

describe('a slot', () => {
  const single = () => create({ partSizeBytes: undefined })

  it.each([
    ['an abort', single, async ({ body }: Answer) => void (await many(3, () => abort(body.id)))],
    [
      'its expiry',
      single,
      async () => {
        harness.advance({ hours: 25 })
        await many(2, harness.sweep)
      },
    ],
    [
      'a failure',
      async () => {
        harness.interceptStore((forward) => async (input, init) => {
          if (init?.method === 'POST') throw new TypeError('cut')
          return forward(input, init)
        })
        const unanswered = await create()
        harness.interceptStore((forward) => forward)
        return unanswered
      },
      async () => {
        harness.advance({ minutes: 2 })
        await many(2, harness.sweep)
      },
    ],
  ])('is free with %s, the bytes once the storage is released', async (_, begin, end) => {
    await policy({ quota: { openUploads: 1 } })
    const begun = await begin()
    expect(await create()).toMatchObject({ status: 429, body: { code: 'quota-exceeded' } })

    await end(begun)

    expect(await usage()).toMatchObject({ open: 0, reserved: SIZE })
    await settle(harness)
    expect(await usage()).toMatchObject({ open: 0, reserved: 0 })
    expect(await create()).toMatchObject({ status: 201 })
  })

  it('is free with the completion, however often that is asked for', async () => {
    await policy({ quota: { openUploads: 1 } })
    const created = await create()
    await send(created)

    await many(3, () => complete(created.body.id))

    expect(await usage()).toMatchObject({ open: 0, reserved: 0, settled: SIZE })
  })

  it('of a hundred that are cancelled at once is free for a hundred others', async () => {
    app = await harness.createApp()
    const all = () => many(101, () => create({ sizeBytes: 1, partSizeBytes: undefined }))
    const first = await all()
    expect([accepted(first).length, refusals(first)]).toEqual([100, ['quota-exceeded']])
    // Another subject has its own quota.
    expect(await create({ subject: 'bob' })).toMatchObject({ status: 201 })

    await Promise.all(accepted(first).map(({ body }) => abort(body.id)))

    expect(accepted(await all())).toHaveLength(100)
  })
})

describe('bytes', () => {
  it('reserved and stored together never pass the limit', async () => {
    await policy({ quota: { bytes: 4 * SIZE + 1 } })
    const created = accepted(await many(30, () => create()))
    expect(created).toHaveLength(4)
    await Promise.all(created.slice(0, 2).map((answer) => send(answer)))
    await Promise.all(created.slice(0, 2).map(({ body }) => many(3, () => complete(body.id))))
    expect(await usage()).toMatchObject({ open: 2, reserved: 2 * SIZE, settled: 2 * SIZE })
    expect(accepted(await many(10, () => create()))).toEqual([])

    // Whichever of the abort and the completion comes first, the session counts once.
    await send(created[2]!)
    await Promise.all([abort(created[2]!.body.id), complete(created[2]!.body.id)])
    await expectExactQuota(harness)
    await abort(created[3]!.body.id)
    const { reserved, settled } = await usage()
    expect(reserved).toBe(0)
    expect(accepted(await many(10, () => create()))).toHaveLength(4 - settled / SIZE)
  })

  it('of different sizes: what was refused would really not have fitted', async () => {
    const limit = 3_000 * KiB
    await policy({ quota: { bytes: limit } })
    const sizes = Array.from({ length: 30 }, (_, index) => (100 + ((index * 137) % 400)) * KiB)
    const answers = await many(30, (index) => create({ sizeBytes: sizes[index] }))
    const sum = accepted(answers).reduce((total, { body }) => total + body.plan.sizeBytes, 0)
    expect(sum).toBeLessThanOrEqual(limit)
    answers.forEach(({ status }, index) => {
      if (status !== 201) expect(sizes[index]).toBeGreaterThan(limit - sum)
    })
    expect((await usage()).reserved).toBe(sum)
  })

  it('of a stream are reserved to its limit and settled to its size', async () => {
    await policy({
      maxSizeBytes: 1000 * KiB,
      quota: { bytes: 2000 * KiB, bytesPerDay: 2000 * KiB },
    })
    goToHour(12)
    const created = accepted(await many(5, () => create({ sizeBytes: undefined })))
    expect(created).toHaveLength(2)
    expect(await usage()).toMatchObject({ reserved: 2000 * KiB, day: 2000 * KiB })
    await send(created[0]!, 2)
    // 201 KiB would fit the parts of a 1,000 KiB plan. 1,001 KiB would exceed the reservation.
    const tooLarge = await complete(created[0]!.body.id, { sizeBytes: 1001 * KiB })
    expect(tooLarge).toMatchObject({ status: 413, body: { code: 'file-too-large' } })
    const done = await many(3, () => complete(created[0]!.body.id, { sizeBytes: 200 * KiB }))
    expect(done.map(({ status }) => status)).toEqual([200, 200, 200])
    expect(await usage()).toEqual({
      open: 1,
      reserved: 1000 * KiB,
      settled: 200 * KiB,
      day: 1200 * KiB,
    })
  })
})

describe('bytes a day', () => {
  it('never pass the limit, and a new day has its own', async () => {
    await policy({ quota: { bytesPerDay: 4 * SIZE } })
    goToHour(23)
    const yesterday = accepted(await many(20, () => create()))
    expect(yesterday).toHaveLength(4)
    harness.advance({ hours: 2 })
    const today = accepted(await many(20, () => create()))
    expect(today).toHaveLength(4)

    // A reservation of yesterday returns nothing to today's quota. One of today does.
    await Promise.all(yesterday.map(({ body }) => abort(body.id)))
    expect(accepted(await many(5, () => create()))).toEqual([])
    await many(2, () => abort(today[0]!.body.id))
    expect(accepted(await many(5, () => create()))).toHaveLength(1)
    expect((await usage()).day).toBe(4 * SIZE)
  })

  it('are not counted from nothing again by a process whose clock is still on yesterday', async () => {
    await policy({ quota: { bytesPerDay: 2 * SIZE } })
    goToHour(0)
    expect(accepted(await many(4, () => create()))).toHaveLength(2)
    harness.advance({ minutes: -10 })
    expect(accepted(await many(4, () => create()))).toEqual([])
    harness.advance({ minutes: 10 })
    expect(accepted(await many(4, () => create()))).toEqual([])
  })
})

describe('a grant', () => {
  const grant = async (body: Record<string, unknown>) =>
    (await harness.call('POST', '/v1/grants', app.apiKey, { subject: 'ada', ...body })).body
  const usedOf = async ({ id }: Record<string, any>) => {
    const [row] = await query(harness, 'select * from grants where grant_id = $1', [id])
    return [row!.used_uploads, Number(row!.used_bytes)]
  }

  it('is used up to its count and its bytes, and not once more', async () => {
    const counted = await grant({ maxUploads: 5 })
    const answers = await many(30, () => create({}, { credential: counted.grant }))
    expect([accepted(answers).length, refusals(answers)]).toEqual([5, ['grant-exhausted']])
    const sized = await grant({ maxBytes: 3 * SIZE })
    const others = await many(30, () => create({}, { credential: sized.grant }))
    expect([accepted(others).length, refusals(others)]).toEqual([3, ['grant-exhausted']])
    expect(await usedOf(sized)).toEqual([3, 3 * SIZE])
  })

  it('and the quota of its subject are taken together or not at all', async () => {
    await policy({ quota: { openUploads: 4 } })
    const given = await grant({ maxUploads: 10 })
    const answers = await many(20, () => create({}, { credential: given.grant }))
    expect([accepted(answers).length, refusals(answers)]).toEqual([4, ['quota-exceeded']])
    expect(await usedOf(given)).toEqual([4, 4 * SIZE])
  })

  it('counts a stream by the size that it had, once it is known', async () => {
    await policy({ maxSizeBytes: 1000 * KiB })
    const given = await grant({ maxBytes: 1000 * KiB })
    const created = await create({ sizeBytes: undefined }, { credential: given.grant })
    expect(await usedOf(given)).toEqual([1, 1000 * KiB])
    await send(created, 2)
    await many(3, () => complete(created.body.id, { sizeBytes: 200 * KiB }))
    expect(await usedOf(given)).toEqual([1, 200 * KiB])
  })

  it.each(['create', 'complete'])(
    'is locked before the quota of its subject by %s, so none waits for the other',
    async (by) => {
      await policy({ maxSizeBytes: 1000 * KiB })
      const given = await grant({})
      const stream = () => create({ sizeBytes: undefined }, { credential: given.grant })
      const created = await stream()
      await send(created, 2)
      const sql = postgres(harness.databaseUrl, { max: 2 })

      const going = await sql.begin(async (holder) => {
        await holder`select from grants where grant_id = ${given.id} for update`
        const call =
          by === 'create' ? stream() : complete(created.body.id, { sizeBytes: 200 * KiB })
        for (let waiting = 0; waiting === 0; ) {
          const [row] = await sql`select count(*)::int as waiting from pg_stat_activity
          where datname = current_database() and wait_event_type = 'Lock'`
          waiting = row!.waiting
        }
        // It waits for the grant without holding the quota.
        await holder`select from usage where app_id = ${app.id} for update nowait`
        return { call }
      })

      expect([200, 201]).toContain((await going.call).status)
      await sql.end()
    },
  )

  it('is not used by what the store refused to begin', async () => {
    const given = await grant({ maxUploads: 3 })
    refuseInitiate()
    const answers = await many(10, () => create({}, { credential: given.grant }))
    harness.interceptStore((forward) => forward)
    const codes = new Set(answers.map(({ body }) => body.code))
    expect(
      [...codes].every((code) => ['storage-unavailable', 'grant-exhausted'].includes(code)),
    ).toBe(true)
    expect(await usedOf(given)).toEqual([0, 0])
    expect(accepted(await many(5, () => create({}, { credential: given.grant })))).toHaveLength(3)
  })

  it('that was revoked creates nothing, and answers no repeat', async () => {
    const given = await grant({ maxUploads: 1 })
    const first = await create({}, { credential: given.grant, key: 'k' })
    expect(first.status).toBe(201)
    const repeat = () => create({}, { credential: given.grant, key: 'k' })
    expect(await repeat()).toMatchObject({ status: 200, body: { id: first.body.id } })
    await harness.call('DELETE', `/v1/grants/${given.id}`, app.apiKey)
    expect(await repeat()).toMatchObject({ status: 403, body: { code: 'grant-revoked' } })
  })
})

describe('a reservation', () => {
  it('repeated with its Idempotency-Key is one, also where it took the last of the quota', async () => {
    await policy({ quota: { openUploads: 1, bytes: SIZE } })
    const answers = await many(20, () => create({}, { key: 'once' }))
    expect(accepted(answers)).toHaveLength(1)
    expect(new Set(answers.map(({ status, body }) => `${status > 201} ${body.id}`)).size).toBe(1)
    expect(await usage()).toMatchObject({ open: 1, reserved: SIZE })
    // A first request with another key is still refused.
    expect(await create({}, { key: 'twice' })).toMatchObject({ status: 429 })
  })

  it('that is taken over is still one', async () => {
    const held = gate(harness.services.storeNamed('default'), 'initiate', { when: 'after' })
    const first = create({}, { key: 'taken' })
    await held.reached
    harness.advance({ seconds: 31 })
    const repeats = await many(6, () => create({}, { key: 'taken' }))
    held.open()
    const ids = new Set([(await first).body.id, ...repeats.map(({ body }) => body.id)])
    expect(ids.size).toBe(1)
    expect(await usage()).toMatchObject({ open: 1, reserved: SIZE })
    const [session] = await harness.services.uploads.list(app.id, { limit: 1 })
    await expectNoOrphans(harness, session!.key, [session!.storageUploadId])
    await many(4, () => abort(session!.id))
    await settle(harness)
    expect(await usage()).toMatchObject({ open: 0, reserved: 0 })
  })

  it('that the store refuses to begin is given back at once, that it does not answer when it is swept', async () => {
    goToHour(12)
    refuseInitiate()
    const refused = await many(10, () => create())
    expect(refused.map(({ body }) => body.code)).toEqual(Array(10).fill('storage-unavailable'))
    expect(await usage()).toEqual({ open: 0, reserved: 0, settled: 0, day: 0 })

    harness.interceptStore((forward) => async (input, init) => {
      await forward(input, init)
      throw new TypeError('cut')
    })
    const unanswered = await many(4, () => create())
    expect(unanswered.map(({ status }) => status)).toEqual(Array(4).fill(503))
    expect(await usage()).toMatchObject({ open: 4, reserved: 4 * SIZE })
    harness.interceptStore((forward) => forward)
    await settle(harness)
    expect(await usage()).toMatchObject({ open: 0, reserved: 0 })
  })
})

describe('sessions by credentials', () => {
  const ask = () =>
    harness.call('POST', '/v1/credentials', app.apiKey, { subject: 'ada', filename: 'film.bin' })

  it('are reserved like any other and settled to what their own SDK has made', async () => {
    const document = { credentials: true, maxSizeBytes: 1000 * KiB, quota: { openUploads: 3 } }
    await policy(document)
    const issued = accepted(await many(12, ask))
    expect(issued).toHaveLength(3)
    expect(await usage()).toMatchObject({ open: 3, reserved: 3000 * KiB })
    const [one, two] = issued as [Answer, Answer]
    const address = { url: one.body.endpoint, addressing: 'path' as const }
    const { url, headers } = ossSigner({
      bucket: one.body.bucket,
      region: one.body.region,
      credentials: one.body as unknown as Parameters<typeof ossSigner>[0]['credentials'],
      endpoint: address,
      publicEndpoint: address,
    }).byHeader({ method: 'PUT', key: one.body.key }, harness.clock())
    expect((await fetch(url, { method: 'PUT', headers, body: BYTES })).status).toBe(200)

    await Promise.all([complete(one.body.uploadId), complete(one.body.uploadId), harness.sweep()])
    expect(await usage()).toMatchObject({ open: 2, reserved: 2000 * KiB, settled: SIZE })
    await many(3, () => abort(two.body.uploadId))
    // Its slot is free, but its storage is not released, because its credentials are still valid.
    expect(await usage()).toMatchObject({ open: 1, reserved: 2000 * KiB })
    expect(accepted(await many(3, ask))).toHaveLength(2)
    harness.advance({ minutes: 70 })
    await harness.sweep()
    expect(await usage()).toMatchObject({ open: 3, reserved: 3000 * KiB })
  })
})

it('of everything at once, again and again, stays exact', async () => {
  await policy({ maxSizeBytes: 1000 * KiB, quota: { openUploads: 10, bytes: 100 * SIZE } })
  for (let round = 0; round < 4; round++) {
    await many(24, async (index) => {
      const subject = `s${index % 2}`
      const created = await create({ subject, ...(index % 3 ? {} : { sizeBytes: undefined }) })
      if (created.status !== 201) return
      const { id } = created.body
      const size = index % 3 ? undefined : { sizeBytes: 200 * KiB }
      if (index % 4 !== 0) await send(created, size ? 2 : undefined)
      if (index % 5 === 0) await harness.sweep()
      await Promise.all([
        ...(index % 2 ? [complete(id, size), complete(id, size)] : []),
        ...(index % 4 < 2 ? [abort(id), abort(id)] : []),
      ])
    })
    await expectExactQuota(harness)
    harness.advance({ hours: 13 })
    await Promise.all([harness.sweep(), harness.sweep(), harness.sweep()])
    await expectExactQuota(harness)
  }
  harness.advance({ hours: 25 })
  await settle(harness)
  for (const subject of ['s0', 's1']) {
    expect(await usage(subject)).toMatchObject({ open: 0, reserved: 0 })
  }
})
