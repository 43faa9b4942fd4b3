// Steps in the flows by operators, strangers and the environment, and by the service on its own.
import type { Policy } from '../../src/core/policy.ts'
import type { Clients } from './commands.ts'
import type { Fault } from './fault-port.ts'
import type { Run } from './run.ts'
import { type Act, newest, outside, type Step, take } from './step.ts'

const storeOf = ({ world }: Clients) => world.bare.storeNamed('default')
const STRANGER = {
  contentType: 'text/plain',
  uploadId: 'upl_of_another',
  overwrite: 'never',
} as const

export const underPolicy = (policy: Policy): Step =>
  outside('policy', ({ world, app }) =>
    world.bare.apps.putPolicy(app.appId, 'default', policy, world.clock()),
  )

/** Our own initiate, arriving far later than expected. */
export const lateInitiate: Step = outside('late initiate', async (clients) => {
  const { key, id } = newest(clients)
  await storeOf(clients).initiate({ ...STRANGER, key, uploadId: id })
})

/** Puts somebody else's object under the session's key, which the service must not delete. */
export const foreignObject: Step = outside('foreign object', async (clients) => {
  const { key } = newest(clients)
  await storeOf(clients).putEmpty({ ...STRANGER, key })
  clients.world.foreignObjects.add(key)
})

/** Kills the process at the first crash point of this name, or just after it. */
export const diesAt =
  (point: string, kind: Fault, act: Act) =>
  async (run: Run): Promise<void> => {
    const { port } = run.clients.world
    port.arm([{ point, nth: 0, kind }])
    await take(run, act)
    port.disarm()
    run.restart()
    if (port.struck.length !== 1) throw new Error(`nothing dies at ${point}`)
  }

/** Finishes the store's asynchronous tasks. */
export const storeWorks: Step = outside('the store works', ({ world }) =>
  world.processing.objects.finishTasks(),
)

/** Puts another key first in SECRET_KEYS. */
export const keysRotated: Step = outside('keys are rotated', ({ world, app }) =>
  world.sealWithOldKey(app.appId),
)

export const keepHouse: Step = {
  step: 'housekeeping',
  act: ({ world }, instance) => world.keepHouse(instance),
}

/** Moves to the first of a month, with partitions from then on, so that housekeeping does the same work in each run. */
export const monthBegins = outside('a month begins', async ({ world }) => {
  const now = world.clock()
  const first = Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1, 1)
  world.advance(first - now.getTime())
  const months = await world.sql<Array<{ name: string }>>`
    select inhrelid::regclass::text as name from pg_inherits
    where inhparent = 'upload_events'::regclass and inhrelid::regclass::text <> 'upload_events_default'`
  for (const { name } of months) await world.sql`drop table ${world.sql(name)}`
})
