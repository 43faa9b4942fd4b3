// Several deliverers at once: without a failure each event is sent once, and a late deliverer changes nothing.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { beginRun } from './run.ts'
import { random } from './seed.ts'
import { startWorld, type World } from './world.ts'

const SCHEDULES = 20

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world.stop())

async function aCompletedUpload() {
  const run = await beginRun(world)
  await run.perform({ do: 'create', who: 0, shape: 'single' })
  await run.perform({ do: 'upload', slot: 0 })
  await run.perform({ do: 'complete', slot: 0 })
  return run
}

it('two deliverers send each event once, whatever their order', async () => {
  for (let schedule = 1; schedule <= SCHEDULES; schedule++) {
    const run = await aCompletedUpload()
    world.port.arm([], random(schedule))

    await Promise.all([
      run.perform({ do: 'deliver', via: 0 }),
      run.perform({ do: 'deliver', via: 1 }),
    ])

    const ids = world.received.map(({ eventId }) => eventId)
    expect(ids, `schedule ${schedule}`).toHaveLength(2)
    expect(new Set(ids).size).toBe(2)
    expect(await run.settle()).toEqual([])
  }
})

it('a claim passes over what another claim is just taking', async () => {
  const run = await aCompletedUpload()
  const { appId } = run.clients.app
  const now = world.clock()
  const claim = () =>
    world.bare.deliveries.claim(appId, 'pending', now, new Date(now.getTime() + 60_000), 20)

  const claimed = await world.sql.begin(async (another) => {
    await another`select from deliveries where app_id = ${appId} for update`
    return claim().catch(() => 'it waited for the lock in vain')
  })

  expect(claimed).toEqual([])
  expect(await claim()).toHaveLength(2)
  expect(await run.settle()).toEqual([])
})

it('a deliverer whose lease was taken over records nothing over its successor', async () => {
  const run = await aCompletedUpload()
  const { appId } = run.clients.app
  const { deliveries } = world.bare
  const claim = () =>
    deliveries.claim(appId, 'pending', world.clock(), new Date(world.clock().getTime() + 60_000), 1)
  const [slow] = await claim()
  world.advance(61_000)
  const second = [...(await claim()), ...(await claim())].find(({ id }) => id === slow!.id)!
  const attempt = { at: world.clock(), latencyMs: 1 }
  await deliveries.record(second, { ...attempt, status: 204 }, { state: 'delivered' })

  await deliveries.record(slow!, { ...attempt, reason: 'no answer in time' }, { state: 'failed' })

  const [row] = await world.sql`select state from deliveries where delivery_id = ${slow!.id}`
  expect(row!.state).toBe('delivered')
})
