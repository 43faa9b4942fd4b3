// Jobs that run side by side and are stopped: work in progress ends, no other work begins, and the next run finds the rest.
import postgres from 'postgres'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type Jobs, startJobs } from '../../src/node/jobs.ts'
import { latch } from '../support/gates.ts'
import { type Harness, startHarness } from '../support/harness.ts'
import { startReceiver } from '../support/receiver.ts'

let harness: Harness
let jobs: Jobs

const KEPT = { sessionDays: 90, deliveryDays: 90, eventDays: 90 }

beforeEach(async () => {
  harness = await startHarness()
  jobs = startJobs(harness.services, harness.housekeeping, KEPT, () => {})
})
afterEach(async () => {
  await jobs.stop()
  await harness.stop()
})

interface TestApp {
  id: string
  apiKey: string
}

async function create({ id, apiKey }: TestApp): Promise<{ appId: string; id: string }> {
  const asked = { subject: 'ada', filename: 'a.bin', sizeBytes: 20_000_000 }
  const { body } = await harness.call('POST', '/v1/uploads', apiKey, asked)
  return { appId: id, id: body.id }
}

const statesOf = (sessions: Array<{ appId: string; id: string }>) =>
  Promise.all(
    sessions.map(async ({ appId, id }) => (await harness.services.uploads.find(appId, id))!.state),
  )

async function attemptsOf(appIds: string[]): Promise<number> {
  const sql = postgres(harness.databaseUrl, { max: 1, onnotice: () => {} })
  const [row] = await sql`select count(*) from attempts where app_id = any(${appIds})`
  await sql.end()
  return Number(row!.count)
}

/** Holds back the store's first answer. */
function holdStore() {
  const { opened: asked, open: arrive } = latch()
  const { opened: released, open: release } = latch()
  harness.interceptStore((forward) => async (input, init) => {
    arrive()
    await released
    return forward(input, init)
  })
  return { asked, release }
}

it('a sweep ends after its current session', async () => {
  const [first, second] = [await harness.createApp(), await harness.createApp()]
  const sessions = [await create(first), await create(first), await create(second)]
  harness.advance({ hours: 25 })
  const store = holdStore()
  jobs.begin()
  await store.asked

  const stopped = jobs.stop()
  store.release()
  await stopped

  expect((await statesOf(sessions)).sort()).toEqual(['expired', 'open', 'open'])
  harness.advance({ minutes: 1 })
  await harness.sweep()
  expect(await statesOf(sessions)).toEqual(['expired', 'expired', 'expired'])
})

it('deliveries end after the current batches, one for each app', async () => {
  const receiver = await startReceiver()
  const release = receiver.hold()
  const [many, few] = [await harness.createApp(), await harness.createApp()]
  for (const app of [many, few]) {
    await harness.call('POST', '/v1/webhook-endpoints', app.apiKey, { url: receiver.url })
  }
  for (let count = 0; count < 25; count++) await create(many)
  await create(few)
  jobs.deliveries.nudge()
  await receiver.arrived(21)

  const stopped = jobs.stop()
  release()
  await stopped

  expect(receiver.received).toHaveLength(21)
  await harness.deliver()
  const told = receiver.received.map(({ headers }) => headers['webhook-id'])
  expect(told).toHaveLength(26)
  expect(new Set(told).size).toBe(26)
  await receiver.stop()
})

it('webhooks of an app wait for no slow receiver of another, not even for one that came first', async () => {
  const [slow, good] = [await startReceiver(), await startReceiver()]
  const release = slow.hold()
  const slowApps: string[] = []
  for (let count = 0; count < 4; count++) {
    const app = await harness.createApp()
    await harness.call('POST', '/v1/webhook-endpoints', app.apiKey, { url: slow.url })
    slowApps.push(app.id)
    for (let upload = 0; upload < 3; upload++) await create(app)
  }
  jobs.deliveries.nudge()
  await slow.arrived(12)
  const app = await harness.createApp()
  await harness.call('POST', '/v1/webhook-endpoints', app.apiKey, { url: good.url })
  await create(app)

  jobs.deliveries.nudge()
  await good.arrived(1)

  expect(await attemptsOf(slowApps)).toBe(0)
  release()
  await jobs.stop()
  expect([slow.received.length, good.received.length]).toEqual([12, 1])
  await Promise.all([slow.stop(), good.stop()])
})
