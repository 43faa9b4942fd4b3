// The canonical flows, as commands: what comes before, what is disturbed, what the client does afterwards, and how it must end.
import type { Command } from './commands.ts'
import type { PlannedFault } from './fault-port.ts'
import { beginRun, type Run } from './run.ts'
import type { World } from './world.ts'

export interface Flow {
  name: string
  before: Command[]
  disturbed: Command[]
  /** How the newest session must end once the client has gone on and everything has settled. */
  ends: 'completed' | 'aborted' | 'expired'
}

const onFirst = (...names: Array<(Command & { slot: number })['do']>): Command[] =>
  names.map((name) => ({ do: name, slot: 0 }) as Command)
const create = (shape: 'parts' | 'single' | 'empty', key?: number): Command => ({
  do: 'create',
  who: 0,
  shape,
  key,
})

export const FLOWS: readonly Flow[] = [
  { name: 'create, multipart', before: [], disturbed: [create('parts')], ends: 'completed' },
  { name: 'create, single PUT', before: [], disturbed: [create('single')], ends: 'completed' },
  { name: 'create, empty', before: [], disturbed: [create('empty')], ends: 'completed' },
  {
    name: 'create with an Idempotency-Key, repeated',
    before: [],
    disturbed: [create('parts', 1), create('parts', 1)],
    ends: 'completed',
  },
  {
    name: 'resume by fingerprint',
    before: [create('parts'), { do: 'put', slot: 0, part: 1, version: 0 }],
    disturbed: onFirst('resume'),
    ends: 'completed',
  },
  {
    name: 'sign and put',
    before: [create('parts')],
    disturbed: onFirst('sign', 'upload'),
    ends: 'completed',
  },
  {
    name: 'complete, relayed',
    before: [create('parts'), ...onFirst('upload')],
    disturbed: onFirst('complete'),
    ends: 'completed',
  },
  {
    name: 'complete, single PUT',
    before: [create('single'), ...onFirst('upload')],
    disturbed: onFirst('complete'),
    ends: 'completed',
  },
  {
    name: 'complete, empty',
    before: [create('empty')],
    disturbed: onFirst('complete'),
    ends: 'completed',
  },
  {
    name: 'complete, direct, and its callback',
    before: [create('parts'), ...onFirst('upload')],
    disturbed: onFirst('direct'),
    ends: 'completed',
  },
  {
    name: 'callback, replayed',
    before: [create('parts'), ...onFirst('upload', 'direct')],
    disturbed: onFirst('callback'),
    ends: 'completed',
  },
  {
    name: 'abort, multipart',
    before: [create('parts'), ...onFirst('upload')],
    disturbed: onFirst('abort'),
    ends: 'aborted',
  },
  {
    name: 'abort, single PUT',
    before: [create('single'), ...onFirst('upload')],
    disturbed: onFirst('abort'),
    ends: 'aborted',
  },
  {
    name: 'heal a lost storage upload',
    before: [create('parts'), ...onFirst('upload', 'lose')],
    disturbed: onFirst('get'),
    ends: 'completed',
  },
  {
    name: 'expire, by the sweep',
    before: [create('parts'), ...onFirst('upload'), { do: 'advance', minutes: 8 * 24 * 60 }],
    disturbed: [{ do: 'sweep' }],
    ends: 'expired',
  },
  {
    name: 'finish a single PUT, by the sweep',
    before: [create('single'), ...onFirst('upload'), { do: 'advance', minutes: 17 }],
    disturbed: [{ do: 'sweep' }],
    ends: 'completed',
  },
  {
    name: 'deliver, and replay',
    before: [create('single'), ...onFirst('upload', 'complete')],
    disturbed: [{ do: 'deliver' }, { do: 'replay', nth: 0 }, { do: 'deliver' }],
    ends: 'completed',
  },
]

export interface FlowResult {
  points: readonly string[]
  found: string[]
}

/** Runs a flow with these faults, then as a client that does not give up, then recovery and the invariants. */
export async function runFlow(
  world: World,
  flow: Flow,
  faults: readonly PlannedFault[],
): Promise<FlowResult> {
  const run = await beginRun(world)
  for (const command of flow.before) await run.perform(command)
  world.port.arm(faults)
  for (const command of flow.disturbed) {
    await run.perform(command)
    run.restart()
  }
  const points = [...world.port.points]
  world.port.disarm()
  const end = await goOn(world, run, flow)
  const wrong = end === flow.ends ? [] : [`ends ${end} instead of ${flow.ends}`]
  return { points, found: [...wrong, ...(await run.settle())] }
}

/** Repeats what was asked for, with growing pauses, until it is reached. Answers the state that the client sees last. */
async function goOn(world: World, run: Run, flow: Flow): Promise<string> {
  let seen = 'nothing'
  for (const seconds of [0, 31, 120, 1000]) {
    world.advance(seconds * 1000)
    if (seconds > 60) await run.perform({ do: 'sweep' })
    if (!run.clients.uploads.length)
      for (const command of flow.disturbed) await run.perform(command)
    const slot = run.clients.uploads.length - 1
    seen = (await run.perform({ do: 'get', slot }))[0]?.state ?? seen
    if (seen === flow.ends) return seen
    const next: Command[] =
      flow.ends === 'aborted'
        ? [{ do: 'abort', slot }]
        : flow.ends === 'expired'
          ? [{ do: 'sweep' }]
          : [
              { do: 'upload', slot },
              { do: 'complete', slot },
            ]
    for (const command of next) seen = (await run.perform(command)).at(-1)?.state ?? seen
    if (seen === flow.ends) return seen
  }
  return seen
}
