// Work in progress belongs to one claimant until its lease ends. Tests call the claims directly, one after the other.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { beginRun } from './run.ts'
import { startWorld, type World } from './world.ts'

const LEASE_MS = 30_000

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world.stop())

const leaseUntil = () => new Date(world.clock().getTime() + LEASE_MS)

it('a completion is claimed by one, and by the next when its lease has ended', async () => {
  const run = await beginRun(world)
  await run.perform({ do: 'create', who: 0, shape: 'parts' })
  const { id } = run.clients.uploads[0]!
  const claim = () =>
    world.bare.uploads.claimCompletion(run.clients.app.appId, id, {}, world.clock(), leaseUntil())

  const first = await claim()
  const second = await claim()
  world.advance(LEASE_MS)
  const third = await claim()

  expect([first?.attempt, second?.attempt, third?.attempt]).toEqual([1, undefined, 2])
  expect(await run.settle()).toEqual([])
})

it('a reservation is taken over by one, when its lease has ended', async () => {
  const run = await beginRun(world)
  const { appId } = run.clients.app
  world.port.arm([{ point: 'store.initiate', nth: 0, kind: 'kill before' }])
  await run.perform({ do: 'create', who: 0, shape: 'parts' })
  const [row] = await world.sql`select upload_id from uploads where app_id = ${appId}`
  const takeOver = () =>
    world.bare.uploads.takeOver(appId, row!.upload_id, world.clock(), leaseUntil())

  const early = await takeOver()
  world.advance(LEASE_MS)
  const first = await takeOver()
  const second = await takeOver()

  expect([early?.state, first?.state, second?.state]).toEqual([undefined, 'initiating', undefined])
  expect(await run.settle()).toEqual([])
})
