// Every single fault of the canonical flows: crash point × kind, printed as a table with a verdict in each cell. Pairs of faults
// are sampled: the second is drawn from the crash points after the first, up to the start of the recovery. The seed is printed,
// and FAULTS_SEED repeats it. A planned fault that is not applied is a failure too.
import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import {
  applies,
  type CrashPoint,
  FAULTS,
  type Fault,
  type NamedFault,
  NO_LENGTH,
} from './fault-port.ts'
import { FLOWS as ALL_FLOWS, type Flow } from './flows.ts'
import { type FlowResult, runFlow } from './run-flow.ts'
import { random, seedOf } from './seed.ts'
import { startWorld, type World } from './world.ts'

const PAIRS = Number(process.env.FAULTS_PAIRS ?? 200)
/** A second fault is drawn from this many next crash points as often as from all that follow. */
const NEAR = 12
/** How many findings a failure's message repeats. */
const MOST_TOLD = 5
/** Text in the names of the flows to run; by default all run. */
const PART = process.env.FAULTS_FLOWS ?? ''
const FLOWS = ALL_FLOWS.filter(({ name }) => name.includes(PART))
const say = (line: string) => process.stdout.write(`${line}\n`)

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world.stop())

interface Cell {
  flow: Flow
  fault: NamedFault
}

const runs = new Map<string, Promise<FlowResult>>()
/** Runs each flow once with each fault and once without, and remembers the results. */
function ran(flow: Flow, fault?: NamedFault): Promise<FlowResult> {
  const name = `${flow.name}: ${fault && told(fault)}`
  const known = runs.get(name) ?? runFlow(world, flow, { faults: fault && [fault] })
  runs.set(name, known)
  return known
}

const KINDS: readonly Fault[] = [...FAULTS, NO_LENGTH]

/** Every fault that applies to this crash point. */
function faultsAt(points: readonly CrashPoint[], at: number): NamedFault[] {
  const { name: point } = points[at]!
  const nth = points.slice(0, at).filter(({ name }) => name === point).length
  return KINDS.filter((kind) => applies(points[at]!, kind)).map((kind) => ({ point, nth, kind }))
}

/** The rows of the table, one for each crash point. */
async function cellsOf(flow: Flow): Promise<Cell[][]> {
  const { points, own } = await ran(flow)
  return points.slice(0, own).map((_, at) => faultsAt(points, at).map((fault) => ({ flow, fault })))
}

const told = ({ kind, point, nth }: NamedFault) => `${kind} ${point}${nth ? ` (${nth + 1})` : ''}`
const same = (one: NamedFault | undefined, other: NamedFault) => one && told(one) === told(other)

async function verdictOn({ flow, fault }: Cell): Promise<{ verdict: string; wrong: string[] }> {
  const { struck, found } = await ran(flow, fault)
  const isDone = struck.length === 1 && same(struck[0], fault)
  if (isDone) return { verdict: found.length ? 'LOST' : 'ok', wrong: found }
  const done = struck.map(told).join(', ') || 'nothing'
  return { verdict: 'MISSED', wrong: [`${done} was done instead`, ...found] }
}

const padded = (text: string) => text.padEnd(12)

it('every single fault of every canonical flow is recovered from', async () => {
  const failures: string[] = []
  const done = { points: 0, cells: 0 }
  say(`\n${' '.repeat(36)}${KINDS.map(padded).join('')}`)
  for (const flow of FLOWS) {
    const { own, found, ended } = await ran(flow)
    say(`${flow.name}: ${found.length ? 'BROKEN WITHOUT ANY FAULT' : `${own} crash points`}`)
    failures.push(...found.map((text) => `${flow.name}, undisturbed: ${text}`))
    if (!ended && !flow.leavesOpen) failures.push(`${flow.name}: does not end by itself`)
    if (!own) failures.push(`${flow.name}: nothing of it crosses the fault port`)
    for (const [at, cells] of (await cellsOf(flow)).entries()) {
      const verdicts = new Map<string, string>()
      for (const cell of cells) {
        const { verdict, wrong } = await verdictOn(cell)
        verdicts.set(cell.fault.kind, verdict)
        failures.push(...wrong.map((text) => `${flow.name}, ${told(cell.fault)}: ${text}`))
      }
      const row = KINDS.map((kind) => padded(verdicts.get(kind) ?? '·')).join('')
      say(`  ${String(at).padStart(2)} ${cells[0]!.fault.point.padEnd(30)} ${row}`)
      done.points++
      done.cells += cells.length
    }
  }
  say(
    `${FLOWS.length} flows, ${done.points} crash points, ${done.cells} cells: ${failures.length} findings`,
  )

  expect(failures, failures.slice(0, MOST_TOLD).join('\n')).toEqual([])
  if (!PART) await expectAsDocumented({ flows: FLOWS.length, ...done })
})

/** docs/reliability.md states these numbers: exactly this many flows, and at least this many crash points and cells. */
async function expectAsDocumented(done: Record<'flows' | 'points' | 'cells', number>) {
  const text = await readFile(new URL('../../docs/reliability.md', import.meta.url), 'utf8')
  const said = /([\d,]+) flows \(.*?\) have at least ([\d,]+) crash points and ([\d,]+) cells/s
  const [flows, points, cells] = (said.exec(text) ?? [])
    .slice(1)
    .map((figure) => Number(figure.replace(',', '')))

  expect(done.flows).toBe(flows)
  expect(done.points).toBeGreaterThanOrEqual(points!)
  expect(done.cells).toBeGreaterThanOrEqual(cells!)
}

it.skipIf(PAIRS === 0)(`${PAIRS} pairs of faults, sampled`, async () => {
  const seed = seedOf()
  const next = random(seed)
  say(`\npairs of faults: FAULTS_SEED=${seed}`)
  const first: Cell[] = []
  for (const flow of FLOWS) first.push(...(await cellsOf(flow)).flat())
  const failures: string[] = []
  let pairs = 0
  for (let nth = 0; nth < PAIRS; nth++) {
    const { flow, fault } = first[next(first.length)]!
    const alone = await runFlow(world, flow, { faults: [fault], intoRecovery: true })
    const from = (alone.struck[0]?.at ?? 0) + 1
    const follow = alone.points.length - from
    const at = from + next(next(2) ? Math.min(NEAR, follow) : follow)
    if (follow < 1) continue
    const kinds = faultsAt(alone.points, at)
    const second = kinds[next(kinds.length)]!
    const both = { faults: [fault, second], intoRecovery: true }
    const { struck, found } = await runFlow(world, flow, both)
    if (struck.length === 2 && same(struck[0], fault) && same(struck[1], second)) pairs++
    const named = `${flow.name}, ${told(fault)} and ${told(second)}`
    failures.push(...found.map((text) => `${named}: ${text}`))
  }
  say(`${pairs} of ${PAIRS} were pairs: both faults done, ${failures.length} findings`)

  expect(failures, failures.slice(0, MOST_TOLD).join('\n')).toEqual([])
  expect(pairs).toBeGreaterThanOrEqual(0.95 * PAIRS)
})
