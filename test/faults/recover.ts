// Recovery after a crash: new processes, a healthy network, and a clock that moves from one due time to the next until nothing is
// due. Meanwhile deadlines.ts checks that ended sessions release their storage.
import { watchDeadlines } from './deadlines.ts'
import type { World } from './world.ts'

const MINUTE_MS = 60_000
const MOST_STEPS = 100

/** Returns what does not recover, or recovers too early or too late. */
export async function recover(world: World, appId: string): Promise<string[]> {
  world.port.disarm()
  const [instance] = world.start(1)
  const deadlines = watchDeadlines(world, appId)
  await deadlines.look()
  await world.keepHouse(instance!)
  let left = ''
  for (let step = 0; step < MOST_STEPS; step++) {
    await world.sweep(instance!)
    await world.deliver(instance!)
    await world.processing.objects.finishTasks()
    const { found, remains } = await deadlines.look()
    if (found.length) return found
    const open = await unsettled(world, appId, remains)
    if (open.dueAt === undefined) return []
    left = open.what
    // The same as a sweep each minute, without the sweeps that would find nothing.
    world.advance(Math.max(MINUTE_MS, open.dueAt - world.clock().getTime()))
  }
  return [`I6: never settles: ${left}`]
}

/** What has not recovered yet, and when it is due next. If something `remains` at the store, the listing finds it. */
async function unsettled(
  world: World,
  appId: string,
  remains: number,
): Promise<{ what: string; dueAt?: number }> {
  const [sessions, callbacks, deliveries, listings] = await world.sql`
    select count(*)::int, min(sweep_at) as due_at from uploads
      where app_id = ${appId} and (storage_released_at is null or leftovers_at is not null)
    union all
    select count(*)::int, min(received_at) + interval '10 seconds' from callbacks
      where app_id = ${appId} and processed_at is null
    union all
    select count(*)::int, min(greatest(next_attempt_at, lease_until)) from deliveries
      where app_id = ${appId} and state in ('pending', 'running')
    union all
    select ${remains}::int, min(next_at) from storage_scans where app_id = ${appId}`
  const named = Object.entries({ sessions, callbacks, deliveries, 'storage uploads': listings })
  const open = named.filter(([, row]) => row!.count > 0)
  if (!open.length) return { what: '' }
  return {
    what: open.map(([name, row]) => `${row!.count} ${name}`).join(', '),
    dueAt: Math.min(...open.map(([, row]) => (row!.due_at as Date | null)?.getTime() ?? 0)),
  }
}
