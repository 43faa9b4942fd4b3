// An ended session's quota is released once, whether by the abort, by a sweep, or by two sweeps.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { quotaFindings } from './invariants.ts'
import { beginRun } from './run.ts'
import { random } from './seed.ts'
import { startWorld, type World } from './world.ts'

const SCHEDULES = 40

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world.stop())

it('an abort and a sweep in each other’s way settle the quota once, whatever their order', async () => {
  for (let schedule = 1; schedule <= SCHEDULES; schedule++) {
    const run = await beginRun(world)
    await run.perform({ do: 'create', who: 0, shape: 'parts' })
    await run.perform({ do: 'create', who: 0, shape: 'parts' })
    world.port.arm([], random(schedule))

    const abort = run.perform({ do: 'abort', slot: 0, via: 0 })
    await Promise.all([abort, run.perform({ do: 'sweep', via: 1 }), run.perform({ do: 'sweep' })])

    const { appId } = run.clients.app
    expect(await quotaFindings(world, appId), `schedule ${schedule}`).toEqual([])
    expect(await run.settle(), `schedule ${schedule}`).toEqual([])
  }
})
