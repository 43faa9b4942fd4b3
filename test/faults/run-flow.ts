// Runs a flow with faults: its client does not give up, new processes recover, and then the invariants are checked. The port stays
// armed, so that a second fault can hit the client’s second try or the recovery.
import type { CrashPoint, NamedFault, Struck } from './fault-port.ts'
import type { Flow } from './flows.ts'
import { beginRun, type Run } from './run.ts'
import { type Act, take } from './step.ts'
import type { World } from './world.ts'
import { keepHouse } from './world-steps.ts'

export interface FlowResult {
  /** The crash points crossed from the disturbed steps on. */
  points: readonly CrashPoint[]
  /** How many of them belong to the flow itself. The others come after it. */
  own: number
  /** True if the flow reached its end before the client continued. */
  ended: boolean
  /** The faults that were applied. */
  struck: readonly Struck[]
  found: string[]
}

export interface FlowOptions {
  faults?: readonly NamedFault[]
  /** Also counts and disturbs the first minutes of the recovery. */
  intoRecovery?: boolean
}

/** Pauses of a client before it repeats. They outlast leases, and finally the window after an attempt. */
const PAUSES_SECONDS = [0, 31, 120, 1000, 120, 1000]

export async function runFlow(
  world: World,
  flow: Flow,
  { faults = [], intoRecovery = false }: FlowOptions = {},
): Promise<FlowResult> {
  const { port } = world
  const run = await beginRun(world)
  for (const act of flow.before) await take(run, act)
  port.arm(faults)
  await each(run, flow.disturbed)
  const own = port.points.length
  const { end, tries } = await goOn(run, flow)
  if (intoRecovery) await beginRecovery(run)
  const { points, struck } = port
  port.disarm()
  const found = end === flow.ends ? [] : [`ends ${end} instead of ${flow.ends}`]
  const settled = await run.settle(async () => {
    found.push(...((await flow.holds?.(run)) ?? []))
  })
  return { points, own, ended: tries === 0, struck, found: [...found, ...settled] }
}

async function each(run: Run, acts: readonly Act[]): Promise<void> {
  for (const act of acts) {
    await take(run, act)
    run.restart()
  }
}

/** Returns the last state that the client sees, and how many times it had to continue. */
async function goOn(run: Run, flow: Flow): Promise<{ end: string; tries: number }> {
  const { world, uploads } = run.clients
  let end = 'nothing'
  let tries = 0
  for (const seconds of PAUSES_SECONDS) {
    world.advance(seconds * 1000)
    if (seconds > 60) await each(run, [{ do: 'sweep' }])
    if (!uploads.length) await each(run, flow.disturbed)
    if (!uploads.length) continue
    for (const next of [() => [], () => whatIsLeft(flow, uploads.length - 1)]) {
      await each(run, next())
      const [answer] = await run.perform({ do: 'get', slot: uploads.length - 1 })
      run.restart()
      end = answer?.state ?? end
      if (end === flow.ends) return { end, tries }
      tries++
    }
  }
  return { end, tries }
}

function whatIsLeft({ again, ends }: Flow, slot: number): Act[] {
  if (again) return again(slot)
  if (ends === 'aborted') return [{ do: 'abort', slot }]
  if (ends === 'expired') return [{ do: 'sweep' }]
  return [
    { do: 'upload', slot },
    { do: 'complete', slot },
  ]
}

/** The first minutes of new processes. */
async function beginRecovery(run: Run): Promise<void> {
  const { world } = run.clients
  world.start(2)
  for (const seconds of [0, 61, 61]) {
    world.advance(seconds * 1000)
    await each(run, [keepHouse, { do: 'sweep' }, { do: 'deliver' }])
  }
}
