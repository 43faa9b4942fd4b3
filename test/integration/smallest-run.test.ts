// A scheduled run with the fewest requests that a configuration allows: each kind of work makes progress in every run.
import postgres from 'postgres'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { budgetOf, LEAST_RUN } from '../../src/core/ports/budget.ts'
import { runWithin } from '../../src/schedule/run.ts'
import { type Harness, startHarness } from '../support/harness.ts'
import { appWith, THUMBNAIL } from '../support/processing/upload.ts'

let harness: Harness
let sql: postgres.Sql

beforeEach(async () => {
  harness = await startHarness({ processing: true })
  sql = postgres(harness.databaseUrl, { max: 1, onnotice: () => {} })
})
afterEach(async () => {
  await sql.end()
  await harness.stop()
})

const create = (apiKey: string) =>
  harness.call('POST', '/v1/uploads', apiKey, {
    subject: 'ada',
    filename: 'a.bin',
    sizeBytes: 1000,
  })
const count = async (query: Promise<postgres.RowList<postgres.Row[]>>) =>
  Number((await query)[0]!.count)
const attemptsMade = () => count(sql`select count(*) from attempts`)
const deliveriesDue = () =>
  count(sql`
    select count(*) from deliveries
    where state = 'pending' and next_attempt_at <= ${harness.clock().toISOString()}`)
const sessionsDue = () =>
  count(sql`
    select count(*) from uploads
    where storage_released_at is null and sweep_at <= ${harness.clock().toISOString()}`)
/** Sessions and callbacks that the sweep has visited so far, according to its log. */
const looked = () =>
  harness.lines
    .map((line) => JSON.parse(line))
    .filter(({ message }) => message === 'swept')
    .reduce((sum, line) => sum + line.looked, 0)

/** A run as the Worker makes it. Returns what left the service. */
async function runOnce(keepHouse?: () => Promise<unknown>): Promise<number> {
  const spent = () => Object.values(harness.counts).reduce((sum, each) => sum + each, 0)
  const before = spent()
  await runWithin(harness.within(budgetOf(LEAST_RUN)), keepHouse)
  return spent() - before
}

/** Creates more costly deliveries than the runs can send, and this many sessions at their end in each app. */
async function overdue(apps: number, sessions: number) {
  const processed = await appWith(harness, [THUMBNAIL])
  for (let upload = 0; upload < 10; upload++) await processed.upload('image/png')
  const others = await Promise.all(Array.from({ length: apps - 1 }, () => harness.createApp()))
  for (const { apiKey } of [processed, ...others]) {
    for (let session = 0; session < sessions; session++) await create(apiKey)
  }
  harness.advance({ hours: 25 })
  return processed.receiver
}

describe.each([
  ['a run', undefined],
  ['a run at the full hour', () => harness.keepHouse()],
])('%s', (_when, keepHouse) => {
  it('makes an attempt at a delivery and sweeps a session, however much there is of both', async () => {
    const receiver = await overdue(1, 12)
    let runs = 0
    for (; (await deliveriesDue()) && (await sessionsDue()) && runs < 50; runs++) {
      const before = { attempts: await attemptsMade(), looked: looked() }

      expect(await runOnce(keepHouse)).toBeLessThanOrEqual(LEAST_RUN)

      expect(await attemptsMade()).toBeGreaterThan(before.attempts)
      expect(looked()).toBeGreaterThan(before.looked)
      harness.advance({ minutes: 1 })
    }
    expect(runs).toBeGreaterThan(5)
    await receiver.close()
  })
})

it('runs do so for one app after the other, however many there are', async () => {
  const receiver = await overdue(30, 1)
  let runs = 0
  for (; (await sessionsDue()) && runs < 200; runs++) {
    await sql`update deliveries set state = 'pending', next_attempt_at = now()`
    const before = await attemptsMade()

    const isFullHour = runs === 0
    expect(await runOnce(isFullHour ? () => harness.keepHouse() : undefined)).toBeLessThanOrEqual(
      LEAST_RUN,
    )

    expect(await attemptsMade()).toBeGreaterThan(before)
    harness.advance({ minutes: 1 })
  }
  expect(await sessionsDue()).toBe(0)
  await receiver.close()
})

it('a run at the full hour keeps house besides: months are made, and each app is cleaned in the end', async () => {
  const receiver = await overdue(10, 3)
  await sql`
    insert into grants (app_id, grant_id, subject, policy, use, created_at, expires_at)
    select app_id, 'grt_00' || n, 'ada', 'default', 'uploads', '2020-01-01', '2020-01-02'
    from apps, generate_series(1, 3) n`
  await sql`truncate upload_events`
  const months = () =>
    count(sql`select count(*) from pg_inherits where inhparent = 'upload_events'::regclass`)
  const old = () => count(sql`select count(*) from grants`)
  let hours = 0
  for (; (await old()) && hours < 50; hours++) {
    await sql`update deliveries set state = 'pending', next_attempt_at = now()`
    await sql`update uploads set sweep_at = now() where storage_released_at is null`
    const before = { months: await months(), old: await old() }

    expect(await runOnce(() => harness.keepHouse())).toBeLessThanOrEqual(LEAST_RUN)

    expect([await months(), await old()]).not.toEqual([before.months, before.old])
    harness.advance({ minutes: 1 })
  }
  expect([await old(), await months()]).toEqual([0, 4])
  await receiver.close()
})

it('what the sweep does not need is for deliveries', async () => {
  const receiver = await overdue(1, 0)
  await sql`update storage_scans set next_at = now() + interval '1 year'`
  await sql`update uploads set storage_released_at = now()`
  expect(await deliveriesDue()).toBe(10)

  await runOnce()

  expect(await attemptsMade()).toBeGreaterThan(1)
  await receiver.close()
})
