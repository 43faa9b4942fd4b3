// A step of a flow beyond the commands of the random scripts. It acts on the newest session known to the client.
import type { Clients, Command, Upload } from './commands.ts'
import { type Faulted, type Instance, NoAnswer } from './fault-port.ts'
import type { Run } from './run.ts'

export interface Step {
  step: string
  act: (clients: Clients, instance: Instance) => Promise<unknown>
}

/** A flow's element. A function is an action of the test itself, outside any task. */
export type Act = Command | Step | ((run: Run) => Promise<unknown>)

export const newest = ({ uploads }: Clients): Upload => uploads.at(-1)!

/** Bypasses the fault port. */
export const outside = (step: string, act: (clients: Clients) => Promise<unknown>): Step => ({
  step,
  act: (clients) => clients.world.port.outside(() => act(clients)),
})

/** A client without an answer continues. A failure that no fault caused is an error of the test. */
export async function take(run: Run, act: Act): Promise<void> {
  if (typeof act === 'function') return void (await act(run))
  if ('do' in act) return void (await run.perform(act))
  const { world } = run.clients
  try {
    await world.port.run(act.step, undefined, () => act.act(run.clients, world.instance(0)))
  } catch (error) {
    if (!(error as Faulted).faults?.length && !(error instanceof NoAnswer)) throw error
  }
}
