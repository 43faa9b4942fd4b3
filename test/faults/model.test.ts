// Random scripts of several clients, with faults, against the reference model and I1 to I8. A failing script is shrunk and printed
// with its seed. FAULTS_SEED replays it, and FAULTS_RUNS sets the number of scripts.
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { FAULTS } from './fault-port.ts'
import { anyScript, runScript, type Tally, tellScript } from './script.ts'
import { seedOf } from './seed.ts'
import { startWorld, type World } from './world.ts'

const RUNS = Number(process.env.FAULTS_RUNS ?? 1000)

/** The least number of sessions and faults that this many scripts must see. */
const LEAST_SHARE = {
  ...{ completed: 0.15, aborted: 0.08, expired: 0.3, failed: 0.02 },
  ...Object.fromEntries(FAULTS.map((kind) => [kind, 0.08])),
}
const atLeast = (least: number) => (count: number) => count >= Math.floor(least)

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world.stop())

it(`${RUNS} random scripts do what the model allows`, async () => {
  const seed = seedOf()
  process.stdout.write(`\nrandom scripts: FAULTS_SEED=${seed} FAULTS_RUNS=${RUNS}\n`)
  let last: string[] = []
  const tally: Tally = new Map()
  const details = await fc.check(
    fc.asyncProperty(anyScript, async (script) => {
      const found = await runScript(world, script, tally)
      if (found.length) last = found
      return found.length === 0
    }),
    { seed, numRuns: RUNS, endOnFailure: false },
  )
  const counts = [...tally].sort().map(([what, times]) => `${times} ${what}`)
  process.stdout.write(`sessions and faults: ${counts.join(', ')}\n`)
  const [script] = details.counterexample ?? []
  const story = script
    ? `after ${details.numRuns} runs and ${details.numShrinks} shrinks, FAULTS_SEED=${seed}:\n${tellScript(script)}\n${last.join('\n')}`
    : ''

  expect(story).toBe('')
  // Scripts that complete nothing would prove nothing.
  for (const [what, share] of Object.entries(LEAST_SHARE)) {
    expect([what, tally.get(what) ?? 0]).toEqual([what, expect.toSatisfy(atLeast(RUNS * share))])
  }
})
