// Runs a flow with faults: its client goes on as one that does not give up, fresh processes recover, and then the invariants are
// asked. The port stays armed meanwhile, so that a second fault can meet the client’s second try or the recovery.
import type { CrashPoint, NamedFault, Struck } from './fault-port.ts'
import type { Flow } from './flows.ts'
import { beginRun, type Run } from './run.ts'
import { type Act, take } from './step.ts'
import type { World } from './world.ts'
import { keepHouse } from './world-steps.ts'

export interface FlowResult {
  /** All that was crossed from the disturbed part on. */
  points: readonly CrashPoint[]
  /** So many of them are the flow's own; the others are of what comes after it. */
  own: number
  /** It was at its end before its client went on. */
  ended: boolean
  /** The faults that were really done. */
  struck: readonly Struck[]
  found: string[]
}

export interface FlowOptions {
  faults?: readonly NamedFault[]
  /** With the first minutes of the recovery under fire. */
  intoRecovery?: boolean
}

/** Pauses of a client that repeats what came to nothing. Leases, and at last the window after an attempt, end in them. */
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

/** Answers the state that the client sees last, and how often it had to go on. */
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

/** What fresh processes do in their first minutes. */
async function beginRecovery(run: Run): Promise<void> {
  const { world } = run.clients
  world.start(2)
  for (const seconds of [0, 61, 61]) {
    world.advance(seconds * 1000)
    await each(run, [keepHouse, { do: 'sweep' }, { do: 'deliver' }])
  }
}
