// Monthly partitions of the event log, and the removal of old rows: a clock that jumps loses nothing, and rows still needed stay.
import postgres from 'postgres'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { budgetOf, LEAST_RUN, sharesOf, unbounded } from '../../src/core/ports/budget.ts'
import { monthAfter, monthOf } from '../../src/core/retention.ts'
import { startJobs } from '../../src/node/jobs.ts'
import { gate } from '../support/gates.ts'
import { ADMIN_KEY, type Harness, putPart, someBytes, startHarness } from '../support/harness.ts'

const BYTES = someBytes(1000)

let harness: Harness
let app: { id: string; apiKey: string }
let sql: postgres.Sql

beforeEach(async () => {
  harness = await startHarness()
  app = await harness.createApp({})
  sql = postgres(harness.databaseUrl, { max: 2, onnotice: () => {} })
})
afterEach(async () => {
  await sql.end()
  await harness.stop()
})

async function create(key = app.apiKey) {
  const body = { subject: 'ada', filename: 'a.bin', sizeBytes: BYTES.length }
  return (await harness.call('POST', '/v1/uploads', key, body)).body
}
async function complete(key = app.apiKey): Promise<string> {
  const created = await create(key)
  await putPart(created.parts[0], BYTES, BYTES.length)
  const path = `/v1/uploads/${created.id}/complete`
  expect((await harness.call('POST', path, created.completionToken, {})).status).toBe(200)
  return created.id
}
const isKept = async (id: string) => (await harness.services.uploads.find(app.id, id)) !== undefined
const days = (count: number) => harness.advance({ hours: count * 24 })
const rows = async (table: string) =>
  (await sql`select count(*)::int as count from ${sql(table)}`)[0]!.count as number
/** The partition of each event of a session, in order. */
const places = async (id: string) => {
  const found = await sql`
    select tableoid::regclass::text as place from upload_events
    where app_id = ${app.id} and upload_id = ${id} order by revision`
  return found.map(({ place }) => place)
}
const partitionOf = (date: Date) => `upload_events_${monthOf(date).replace('-', '_')}`
const partitions = async () =>
  (
    await sql`select inhrelid::regclass::text as name from pg_inherits
    where inhparent = 'upload_events'::regclass order by 1`
  ).map(({ name }) => name)

describe('months of the event log', () => {
  it('are made ahead, and each event goes into its own month', async () => {
    await harness.keepHouse()

    const month = monthOf(harness.clock())
    const ahead = [month, monthAfter(month), monthAfter(month, 2)]
    const named = ahead.map((name) => `upload_events_${name.replace('-', '_')}`)
    expect(await partitions()).toEqual([...named, 'upload_events_default'])
    const here = partitionOf(harness.clock())
    expect(await places(await complete())).toEqual([here, here])
  })

  it('without a partition lose no event: it is stored, and moved when the month is made', async () => {
    await harness.keepHouse()
    const created = await create()
    const began = partitionOf(harness.clock())
    days(400)
    await harness.sweep()
    expect(await places(created.id)).toEqual([began, 'upload_events_default'])

    await harness.keepHouse({ eventDays: undefined, sessionDays: undefined })

    expect(await places(created.id)).toEqual([began, partitionOf(harness.clock())])
    expect(await rows('upload_events_default')).toBe(0)
  })

  it('are made while events are written into the same month, and none is lost', async () => {
    const before = await complete()
    expect(await places(before)).toEqual(['upload_events_default', 'upload_events_default'])

    const [written] = await Promise.all([
      Promise.all(Array.from({ length: 20 }, () => complete())),
      harness.keepHouse(),
      harness.keepHouse(),
    ])
    await harness.keepHouse()

    const here = partitionOf(harness.clock())
    for (const id of [before, ...written]) expect(await places(id)).toEqual([here, here])
    expect(await rows('upload_events')).toBe(42)
  })

  it('are made under load without one refused request', async () => {
    const body = { subject: 'ada', filename: 'a.bin', sizeBytes: BYTES.length }
    const refused: unknown[] = []
    for (let round = 0; round < 40; round++) {
      await sql.unsafe(`drop table if exists ${partitionOf(harness.clock())}`)
      await sql`truncate upload_events_default`
      let making = true
      const client = async () => {
        while (making) {
          const answer = await harness.call('POST', '/v1/uploads', app.apiKey, body)
          if (answer.status !== 201) refused.push(answer.body)
        }
      }
      // The first writes arrive while the month is being made, when it has no strays yet.
      const kept = harness.keepHouse()
      const clients = [client(), client(), client(), client()]
      await kept
      making = false
      await Promise.all(clients)
    }

    expect(refused).toEqual([])
    expect(await rows('upload_events')).toBeGreaterThan(0)
  })

  it('cannot be made by a role that does not own the log: events are kept, and old rows still go', async () => {
    const old = await complete()
    await sql`alter table upload_events owner to current_user`
    await sql`grant all on upload_events, upload_events_default to public`
    days(91)

    expect(await harness.keepHouse()).toMatchObject({ removed: 1 })

    expect(await isKept(old)).toBe(false)
    expect(await places(await complete())).toHaveLength(2)
    expect(harness.lines.join()).toContain('could not be made')
  })

  it('that take too long to make are logged as an error, and are not retried by the next run', async () => {
    const id = await complete()
    await sql`create function too_long() returns trigger language plpgsql as $$
      begin raise 'canceling statement due to statement timeout' using errcode = '57014'; end $$`
    await sql`create trigger too_long before delete on upload_events_default
      for each statement execute function too_long()`

    await harness.keepHouse()

    expect(harness.lines.join()).toMatch(
      /"error","message":"a month of the event log could not be made/,
    )
    expect(await places(id)).toEqual(['upload_events_default', 'upload_events_default'])
  })

  it('that cannot be made do not block later ones', async () => {
    const first = await complete()
    await sql.unsafe(`create function stuck() returns trigger language plpgsql as $$
      begin raise 'stuck'; end $$`)
    await sql.unsafe(`create trigger stuck before delete on upload_events_default for each row
      when (old.at < '${harness.clock().toISOString()}') execute function stuck()`)
    days(40)
    const second = await complete()

    await harness.keepHouse()

    const here = partitionOf(harness.clock())
    expect(await places(first)).toEqual(['upload_events_default', 'upload_events_default'])
    expect(await places(second)).toEqual([here, here])
    expect(harness.lines.join()).toContain('could not be made')
  })

  it('are dropped once they are older than the retention, unless a session needs them', async () => {
    await harness.keepHouse()
    const ended = await complete()
    const held = await create()
    const first = partitionOf(harness.clock())
    days(89)
    await harness.keepHouse()
    expect(await places(ended)).toEqual([first, first])

    days(62)
    await harness.keepHouse()
    expect(await partitions()).toContain(first)
    expect(await places(held.id)).toEqual([first])
    await harness.sweep()
    await harness.sweep()
    expect(await harness.keepHouse()).toMatchObject({ dropped: 1 })

    expect(await partitions()).not.toContain(first)
    // The expiry is recent, so it stays.
    expect(await places(held.id)).toEqual([partitionOf(harness.clock())])
  })
})

describe('a month that cannot be dropped', () => {
  it('does not block later months or the removal of rows', async () => {
    await harness.keepHouse()
    const old = await complete()
    const [first, second] = await partitions()
    await sql.unsafe(`create view somebodys_own as select * from ${first}`)
    days(200)

    expect(await harness.keepHouse()).toMatchObject({ removed: 1, dropped: 2 })

    expect(await partitions()).toContain(first)
    expect(await partitions()).not.toContain(second)
    expect(await isKept(old)).toBe(false)
    expect(harness.lines.join()).toContain('could not be dropped')
  })
})

describe('retention', () => {
  it('removes sessions after their time and leaves younger ones', async () => {
    const old = await complete()
    days(45)
    const young = await complete()
    days(46)

    await harness.keepHouse()

    expect([await isKept(old), await isKept(young)]).toEqual([false, true])
    expect((await harness.call('GET', `/v1/uploads/${old}`, app.apiKey)).status).toBe(404)
    const [usage] = await sql`select settled_bytes from usage where app_id = ${app.id}`
    expect(Number(usage!.settled_bytes)).toBe(2 * BYTES.length)
  })

  it('retains a session whose storage is not released, and one with a pending delivery', async () => {
    const open = await create()
    const endpoint = { url: 'http://127.0.0.1:1/' }
    await harness.call('POST', '/v1/webhook-endpoints', app.apiKey, endpoint)
    const owed = await complete()
    days(200)

    await harness.keepHouse()
    expect([await isKept(open.id), await isKept(owed)]).toEqual([true, true])

    await sql`update deliveries set state = 'running' where app_id = ${app.id}`
    await harness.keepHouse()
    expect([await isKept(open.id), await isKept(owed)]).toEqual([true, true])

    await sql`update deliveries set state = 'delivered' where app_id = ${app.id}`
    await sql`update uploads set leftovers_at = now() where upload_id = ${owed}`
    await harness.keepHouse()
    expect([await isKept(open.id), await isKept(owed)]).toEqual([true, true])

    await sql`update uploads set leftovers_at = null where upload_id = ${owed}`
    await harness.keepHouse()
    expect([await isKept(open.id), await isKept(owed)]).toEqual([true, false])
  })

  it('removes deliveries with their attempts, except one that was retried since', async () => {
    const endpoint = { url: 'http://127.0.0.1:1/', events: ['upload.completed'] }
    await harness.call('POST', '/v1/webhook-endpoints', app.apiKey, endpoint)
    const [gone, again] = [await complete(), await complete()]
    await harness.deliver()
    await sql`update deliveries set state = 'failed' where app_id = ${app.id}`
    days(91)
    const [delivery] = await sql`
      select delivery_id from deliveries where app_id = ${app.id} and upload_id = ${again}`
    const replayed = `/v1/deliveries/${delivery!.delivery_id}/replay`
    expect((await harness.call('POST', replayed, app.apiKey)).status).toBe(202)
    await harness.deliver()
    await sql`update deliveries set state = 'failed' where app_id = ${app.id}`

    await harness.keepHouse()

    const left = await sql`select upload_id from deliveries where app_id = ${app.id}`
    expect(left.map(({ upload_id }) => upload_id)).toEqual([again])
    expect(left.map(({ upload_id }) => upload_id)).not.toContain(gone)
    expect(await rows('attempts')).toBe(2)
  })

  it('removes ended grants, except those that an open session or a client may still need', async () => {
    const grant = async (subject: string) =>
      (await harness.call('POST', '/v1/grants', app.apiKey, { subject })).body
    const unused = await grant('ada')
    const used = await grant('bob')
    const body = { filename: 'a.bin', sizeBytes: 9 }
    expect((await harness.call('POST', '/v1/uploads', used.grant, body)).status).toBe(201)
    days(91)

    await harness.keepHouse()

    const left = await sql`select grant_id from grants where app_id = ${app.id}`
    expect(left.map(({ grant_id }) => grant_id)).toEqual([used.id])
    expect(unused.id).not.toBe(used.id)
    // It also serves a session that has just ended, so that a repeated completion gets the same answer.
    await harness.sweep()
    await harness.keepHouse()
    const still = await sql`select grant_id from grants where app_id = ${app.id}`
    expect(still.map(({ grant_id }) => grant_id)).toEqual([used.id])
    days(91)
    await harness.sweep()
    await harness.keepHouse()
    expect([...(await sql`select grant_id from grants where app_id = ${app.id}`)]).toEqual([])
  })

  it('removes the oldest first, in bounded batches, each app in its turn', async () => {
    const other = await harness.createApp()
    const SEEDED = 700
    for (const { id } of [app, other]) await seedEnded(id, SEEDED)
    days(91)

    expect(await harness.keepHouse({}, 2)).toEqual({ removed: 1000, dropped: 0 })

    const left = await sql`
      select app_id, count(*)::int as count, min(filename) as oldest from uploads group by app_id`
    expect(left.map(({ count, oldest }) => [count, oldest])).toEqual([
      [200, '0501'],
      [200, '0501'],
    ])
  })

  it('removes of two apps the older rows first, whichever app is older', async () => {
    const other = await harness.createApp()
    const older = await complete(other.apiKey)
    days(1)
    const younger = await complete()
    days(91)

    expect(await harness.keepHouse({}, 1)).toMatchObject({ removed: 1 })

    const left = await sql`select upload_id from uploads`
    expect(left.map(({ upload_id }) => upload_id)).toEqual([younger])
    expect(older).not.toBe(younger)
  })

  it('reaches every app, even if there are more than one page of them', async () => {
    const id = await complete()
    await sql`
      insert into apps select (jsonb_populate_record(a, jsonb_build_object('app_id', 'app_' || n))).*
      from apps a, generate_series(1, 250) n`
    await sql`
      insert into uploads select (jsonb_populate_record(u, jsonb_build_object('app_id', 'app_' || n))).*
      from uploads u, generate_series(1, 250) n where u.upload_id = ${id}`
    days(91)

    expect(await harness.keepHouse()).toMatchObject({ removed: 251 })
  })

  it('continues with the other apps if the rows of one cannot be removed', async () => {
    const other = await harness.createApp()
    const stuck = await complete()
    await complete(other.apiKey)
    await sql.unsafe(`create function stuck() returns trigger language plpgsql as $$
      begin raise 'stuck'; end $$`)
    await sql.unsafe(`create trigger stuck before delete on uploads for each row
      when (old.app_id = '${app.id}') execute function stuck()`)
    days(91)

    expect(await harness.keepHouse()).toMatchObject({ removed: 1 })

    expect(await isKept(stuck)).toBe(true)
    expect(await rows('uploads')).toBe(1)
    expect(harness.lines.join()).toContain(`old sessions of ${app.id} could not be removed`)
  })

  it('ends between two batches when the process is asked to stop', async () => {
    await seedEnded(app.id, 1200)
    days(91)
    const keep = { sessionDays: 90, deliveryDays: 90, eventDays: 90 }
    const held = gate(harness.housekeeping.retention, 'sessions', { when: 'before' })
    const jobs = startJobs(harness.services, harness.housekeeping, keep, () => {})
    jobs.begin()
    await held.reached

    const stopped = jobs.stop()
    held.open()
    await stopped

    expect(await rows('uploads')).toBe(700)
  })

  it('of two runs at once removes each row once', async () => {
    await seedEnded(app.id, 600)
    days(91)

    const runs = await Promise.all([harness.keepHouse(), harness.keepHouse(), harness.keepHouse()])

    expect(runs.reduce((sum, { removed }) => sum + removed, 0)).toBe(600)
    expect(await rows('uploads')).toBe(0)
  })

  it('removes nothing if the configuration says so', async () => {
    const old = await complete()
    days(4000)

    const forEver = { sessionDays: undefined, deliveryDays: undefined, eventDays: undefined }
    expect(await harness.keepHouse(forEver)).toEqual({ removed: 0, dropped: 0 })

    expect(await isKept(old)).toBe(true)
    expect(await places(old)).toHaveLength(2)
  })
})

describe('within the budget of a run', () => {
  const APPS = 30
  let apps: Array<{ id: string; apiKey: string }>
  beforeEach(async () => {
    apps = [
      app,
      ...(await Promise.all(Array.from({ length: APPS - 1 }, () => harness.createApp()))),
    ]
  })

  /** Runs with this many requests each, an hour apart, until done. Returns the number of runs. */
  async function runsOf(requests: number, isDone: () => Promise<boolean>): Promise<number> {
    let runs = 0
    while (!(await isDone()) && runs < 100) {
      const before = harness.counts.statements
      harness.within(budgetOf(requests))
      await harness.keepHouse()
      expect(harness.counts.statements - before).toBeLessThanOrEqual(requests)
      runs++
      harness.advance({ hours: 1 })
    }
    harness.within(unbounded)
    return runs
  }
  /** Creates a delivered delivery, a session and a grant in each app. */
  async function seedOld(): Promise<void> {
    for (const { apiKey } of apps) {
      await harness.call('POST', '/v1/webhook-endpoints', apiKey, { url: 'http://127.0.0.1:1/' })
      await complete(apiKey)
      await harness.call('POST', '/v1/grants', apiKey, { subject: 'ada' })
    }
    await sql`update deliveries set state = 'delivered'`
  }
  const countOld = async () =>
    (await rows('uploads')) + (await rows('deliveries')) + (await rows('grants'))
  const partitionsFrom = (date: Date) => {
    const month = monthOf(date)
    const named = [month, monthAfter(month), monthAfter(month, 2)]
    return [
      ...named.map((name) => `upload_events_${name.replace('-', '_')}`),
      'upload_events_default',
    ]
  }

  it('the smallest budget, hour by hour, makes all months, drops the old, and cleans every app', async () => {
    await harness.keepHouse()
    await seedOld()
    expect(await countOld()).toBeGreaterThan(3 * APPS)
    days(200)
    const { housekeeping } = sharesOf(LEAST_RUN, true)

    const isWhole = async () =>
      String(await partitions()) === String(partitionsFrom(harness.clock()))
    const untilWhole = await runsOf(housekeeping, isWhole)
    const untilClean = await runsOf(housekeeping, async () => (await countOld()) === 0)

    // Three months to make and three to drop leave room for little else.
    expect(untilWhole).toBeLessThanOrEqual(6)
    expect(untilClean).toBeLessThanOrEqual((4 * APPS) / 6)
    expect(await countOld()).toBe(0)
  })

  it('costs four statements without work, for thirty apps as for one', async () => {
    await harness.keepHouse()
    await seedOld()
    const before = harness.counts.statements

    expect(await harness.keepHouse()).toEqual({ removed: 0, dropped: 0 })

    expect(harness.counts.statements - before).toBe(4)
  })

  it('events without a month are moved into it, however many apps wrote some', async () => {
    await Promise.all(apps.map(({ apiKey }) => complete(apiKey)))
    expect(await rows('upload_events_default')).toBe(2 * APPS)

    const moved = await runsOf(10, async () => (await rows('upload_events_default')) === 0)

    expect(moved).toBe(3)
    expect(await partitions()).toEqual(partitionsFrom(harness.clock()))
  })

  it('begins nothing beyond its budget, and drops no month without checking', async () => {
    await harness.keepHouse()
    const first = await partitions()
    await seedOld()
    days(200)

    const costs: number[] = []
    for (let requests = 0; requests < 8; requests++) {
      const before = harness.counts.statements
      harness.within(budgetOf(requests))
      expect((await harness.keepHouse()).dropped).toBe(0)
      costs.push(harness.counts.statements - before)
    }
    expect(costs).toEqual([0, 1, 2, 2, 3, 5, 6, 7])
    expect(await partitions()).toEqual(first)
  })
})

/** Inserts ended sessions as the service leaves them, numbered from the oldest. */
async function seedEnded(appId: string, count: number): Promise<void> {
  const id = await complete()
  await sql`update uploads set app_id = ${appId} where upload_id = ${id}`
  await sql`
    insert into uploads select (jsonb_populate_record(u, jsonb_build_object(
      'upload_id', 'upl_' || lpad(to_hex(n), 32, '0'), 'filename', lpad(n::text, 4, '0')))).*
    from uploads u, generate_series(1, ${count}) n where u.app_id = ${appId}`
  await sql`delete from uploads where app_id = ${appId} and upload_id = ${id}`
}

it('the admin key and the api keys still work afterwards: configuration is never removed', async () => {
  days(4000)
  await harness.keepHouse()
  expect((await create()).id).toBeDefined()
  expect((await harness.call('POST', '/v1/apps', ADMIN_KEY, { name: 'x' })).status).toBe(201)
})
