// Jobs that are stopped in the middle: what was begun ends, nothing else is begun, and the next run finds the rest.
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

/** Stops the store's first answer. */
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

it('a sweep ends after the session that it looks at', async () => {
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

it('deliveries end after the batch that is under way', async () => {
  const receiver = await startReceiver()
  const apps = [await harness.createApp(), await harness.createApp(), await harness.createApp()]
  for (const app of apps) {
    await harness.call('POST', '/v1/webhook-endpoints', app.apiKey, { url: receiver.url })
    await create(app)
  }
  const release = receiver.hold()
  jobs.deliveries.nudge()
  await receiver.arrived(1)

  const stopped = jobs.stop()
  release()
  await stopped

  expect(receiver.received).toHaveLength(1)
  await harness.deliver()
  const told = receiver.received.map(({ headers }) => headers['webhook-id'])
  expect(told).toHaveLength(3)
  expect(new Set(told).size).toBe(3)
  await receiver.stop()
})
