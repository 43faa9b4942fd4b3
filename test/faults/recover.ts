// After a crash: fresh processes, a healthy network, and time passing until nothing is due any more.
import type { World } from './world.ts'

const MINUTE_MS = 60_000
/** Retry times, leases, the attempt window, late PUTs, idle end and the session's own end all pass. */
const WAITS_MS = [
  0,
  10_000,
  61_000,
  61_000,
  16 * MINUTE_MS,
  61_000,
  61_000,
  25 * 60 * MINUTE_MS,
  61_000,
  2 * 60 * MINUTE_MS,
  61_000,
  61_000,
  7 * 24 * 60 * MINUTE_MS,
  61_000,
  61_000,
  2 * 60 * MINUTE_MS,
  61_000,
  61_000,
]

/** What is not settled yet, as words; empty where all is. */
async function unsettled(world: World, appId: string): Promise<string> {
  const [row] = await world.sql`select
    (select count(*)::int from uploads where app_id = ${appId} and storage_released_at is null) as uploads,
    (select count(*)::int from callbacks where app_id = ${appId} and processed_at is null) as callbacks,
    (select count(*)::int from deliveries where app_id = ${appId} and state = 'pending') as deliveries`
  return Object.entries(row!)
    .filter(([, count]) => count > 0)
    .map(([name, count]) => `${count} ${name}`)
    .join(', ')
}

/** Answers what will not settle. */
export async function recover(world: World, appId: string): Promise<string[]> {
  world.port.disarm()
  const [instance] = world.start(1)
  await world.keepHouse(instance!)
  let left = ''
  for (const wait of WAITS_MS) {
    world.advance(wait)
    await world.sweep(instance!)
    await world.deliver(instance!)
    left = await unsettled(world, appId)
    if (!left) return []
  }
  return [`I6: never settles: ${left}`]
}
