// Which apps have due work, by kind of work: those that have waited longest come first, and idle apps are left out.
import postgres from 'postgres'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Harness, startHarness } from '../support/harness.ts'

interface TestApp {
  id: string
  apiKey: string
}

let harness: Harness
let first: TestApp
let second: TestApp
let idle: TestApp

beforeAll(async () => {
  harness = await startHarness()
  first = await harness.createApp()
  second = await harness.createApp()
  idle = await harness.createApp()
})
afterAll(() => harness.stop())

const create = (app: TestApp) =>
  harness.call('POST', '/v1/uploads', app.apiKey, {
    subject: 'ada',
    filename: 'a.bin',
    sizeBytes: 20_000_000,
  })
const dueFor = {
  sweep: () => harness.services.uploads.appsWithDueWork(harness.clock()),
  delivery: () => harness.services.deliveries.appsWithDue('pending', harness.clock()),
}

/** Postpones storage scans, which are due as soon as an app exists, because these tests are about sessions. */
async function postponeStorageScans() {
  const sql = postgres(harness.databaseUrl, { max: 1 })
  await sql`update storage_scans set next_at = now() + interval '1 year'`
  await sql.end()
}

it('names an app whose storage is to be listed', async () => {
  const apps = [first.id, second.id, idle.id]
  expect((await dueFor.sweep()).sort()).toEqual(apps.sort())
  await postponeStorageScans()
  expect(await dueFor.sweep()).toEqual([])
})

it('names the apps whose sessions are due, the one that waits longest first', async () => {
  await create(second)
  harness.advance({ minutes: 1 })
  await create(first)
  await create(second)
  expect(await dueFor.sweep()).toEqual([])

  harness.advance({ hours: 25 })

  expect(await dueFor.sweep()).toEqual([second.id, first.id])
  expect(await dueFor.sweep()).not.toContain(idle.id)
  expect(await dueFor.delivery()).toEqual([])
})

it('names an app whose deliveries are due, and not while somebody is at them', async () => {
  await harness.call('POST', '/v1/webhook-endpoints', first.apiKey, { url: 'http://127.0.0.1:1/' })
  await create(first)
  expect(await dueFor.delivery()).toEqual([first.id])

  const now = harness.clock()
  const lease = new Date(now.getTime() + 60_000)
  expect(await harness.services.deliveries.claim(first.id, 'pending', now, lease, 20)).toHaveLength(
    1,
  )

  expect(await dueFor.delivery()).toEqual([])
  harness.advance({ minutes: 2 })
  expect(await dueFor.delivery()).toEqual([first.id])
})
