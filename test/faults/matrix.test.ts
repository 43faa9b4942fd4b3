// Every single fault of the canonical flows: crash point × kind, printed as a table with a verdict in each cell. Pairs of
// faults are sampled, by a seed that is printed and can be given again as FAULTS_SEED.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { applies, type Channel, FAULTS, type PlannedFault } from './fault-port.ts'
import { FLOWS as ALL_FLOWS, runFlow } from './flows.ts'
import { random, seedOf } from './seed.ts'
import { startWorld, type World } from './world.ts'

const PAIRS = Number(process.env.FAULTS_PAIRS ?? 200)
/** Part of the names of the flows to run; all by default. */
const FLOWS = ALL_FLOWS.filter(({ name }) => name.includes(process.env.FAULTS_FLOWS ?? ''))
const say = (line: string) => process.stdout.write(`${line}\n`)

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world.stop())

const channelOf = (point: string): Channel => {
  if (point.startsWith('store.')) return 'store'
  if (point.startsWith('client.')) return 'client'
  if (point === 'delay') return 'delay'
  return point === 'sendWebhook' ? 'webhook' : 'database'
}

const cell = (text: string) => text.padEnd(12)

it('every single fault of every canonical flow is recovered from', async () => {
  const failures: string[] = []
  let cells = 0
  say(`\n${' '.repeat(34)}${FAULTS.map(cell).join('')}`)
  for (const flow of FLOWS) {
    const { points, found } = await runFlow(world, flow, [])
    say(
      `${flow.name}: ${found.length ? 'BROKEN WITHOUT ANY FAULT' : `${points.length} crash points`}`,
    )
    failures.push(...found.map((text) => `${flow.name}, undisturbed: ${text}`))
    for (const [at, point] of points.entries()) {
      const verdicts: string[] = []
      for (const kind of FAULTS) {
        if (!applies(channelOf(point), kind)) {
          verdicts.push('·')
          continue
        }
        cells++
        const wrong = (await runFlow(world, flow, [{ at, kind }])).found
        verdicts.push(wrong.length ? 'LOST' : 'ok')
        failures.push(...wrong.map((text) => `${flow.name}, ${kind} ${at} ${point}: ${text}`))
      }
      say(`  ${String(at).padStart(2)} ${point.padEnd(28)} ${verdicts.map(cell).join('')}`)
    }
  }
  say(`${cells} faults, ${failures.length} findings`)

  expect(failures).toEqual([])
})

it(`${PAIRS} pairs of faults, sampled`, async () => {
  const seed = seedOf()
  const next = random(seed)
  say(`\npairs of faults: FAULTS_SEED=${seed}`)
  const failures: string[] = []
  for (let nth = 0; nth < PAIRS; nth++) {
    const flow = FLOWS[next(FLOWS.length)]!
    const faults: PlannedFault[] = [0, 1].map(() => ({
      at: next(16),
      kind: FAULTS[next(FAULTS.length)]!,
    }))
    const { points, found } = await runFlow(world, flow, faults)
    const named = faults.map(({ at, kind }) => `${kind} ${at} ${points[at] ?? '(not reached)'}`)
    failures.push(...found.map((text) => `${flow.name}, ${named.join(' and ')}: ${text}`))
  }

  expect(failures).toEqual([])
})
