// The canonical flows: what comes before, what is disturbed, what its client repeats afterwards, and how it must end.
import type { Command } from './commands.ts'
import type { Run } from './run.ts'
import type { Act } from './step.ts'
export interface Flow {
  name: string
  before: readonly Act[]
  disturbed: readonly Act[]
  /** What is repeated until the end is reached; by default what leads there from an open session. */
  again?: (slot: number) => Act[]
  /** How the newest session must end once the client has gone on and everything has settled. */
  ends: 'completed' | 'aborted' | 'expired' | 'failed'
  /** What else must hold then. */
  holds?: (run: Run) => Promise<string[]>
}

const onFirst = (...names: Array<(Command & { slot: number })['do']>): Command[] =>
  names.map((name) => ({ do: name, slot: 0 }) as Command)
const create = (shape: 'parts' | 'single' | 'empty', key?: number): Command => ({
  do: 'create',
  who: 0,
  shape,
  key,
})
const advance = (minutes: number): Command => ({ do: 'advance', minutes })
const sweep: Command = { do: 'sweep' }
const deliver: Command = { do: 'deliver' }
const DAY = 24 * 60

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
    before: [create('parts'), ...onFirst('upload'), advance(8 * DAY)],
    disturbed: [sweep],
    ends: 'expired',
  },
  {
    name: 'finish a single PUT, by the sweep',
    before: [create('single'), ...onFirst('upload'), advance(17)],
    disturbed: [sweep],
    ends: 'completed',
  },
  {
    name: 'deliver, and replay',
    before: [create('single'), ...onFirst('upload', 'complete')],
    disturbed: [deliver, { do: 'replay', nth: 0 }, deliver],
    ends: 'completed',
  },
]
