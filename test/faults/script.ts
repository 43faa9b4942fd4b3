// A script: rounds of commands with faults and a schedule, where the commands of a round are in flight together. Generates
// scripts, runs them against the model, and prints them.
import fc from 'fast-check'
import type { Command, Observation } from './commands.ts'
import { FAULTS, type PlannedFault } from './fault-port.ts'
import { quotaFindings, sessionRows } from './invariants.ts'
import {
  type Belief,
  type Facts,
  mayBeSeen,
  outcomesAlone,
  reachable,
  type Span,
  stepsOf,
} from './model.ts'
import { beginRun, type Run } from './run.ts'
import { random } from './seed.ts'
import type { World } from './world.ts'

export interface Round {
  /** In flight together. */
  commands: Command[]
  /** Faults at the crash points of this round, counted from 0. */
  faults: PlannedFault[]
}

export interface Script {
  rounds: Round[]
  /** 0 means first come, first served. */
  schedule: number
}

const slot = fc.nat({ max: 3 })
const on = (...names: string[]) => fc.record({ do: fc.constantFrom(...names), slot })

const anyCommand = fc
  .record({
    via: fc.nat({ max: 1 }),
    what: fc.oneof(
      {
        weight: 3,
        arbitrary: fc.record(
          {
            do: fc.constant('create'),
            who: fc.nat({ max: 1 }),
            shape: fc.constantFrom('parts', 'parts', 'single', 'empty'),
            key: fc.nat({ max: 1 }),
          },
          { requiredKeys: ['do', 'who', 'shape'] },
        ),
      },
      { weight: 4, arbitrary: on('upload') },
      {
        weight: 2,
        arbitrary: fc.record({
          do: fc.constant('put'),
          slot,
          part: fc.integer({ min: 1, max: 2 }),
          version: fc.nat({ max: 1 }),
        }),
      },
      { weight: 4, arbitrary: on('complete', 'complete', 'direct', 'direct', 'post') },
      {
        weight: 3,
        arbitrary: fc.record({
          do: fc.constantFrom('complete', 'complete', 'direct'),
          slot,
          file: fc.nat({ max: 1 }),
        }),
      },
      { weight: 4, arbitrary: on('get', 'resume', 'sign', 'callback') },
      {
        weight: 1,
        arbitrary: fc.record({ do: fc.constant('resume'), slot, key: fc.nat({ max: 1 }) }),
      },
      { weight: 3, arbitrary: on('abort', 'lose') },
      {
        weight: 2,
        arbitrary: fc.record({
          do: fc.constant('advance'),
          minutes: fc.constantFrom(1, 2, 16, 70, 25 * 60, 8 * 24 * 60),
        }),
      },
      { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('sweep', 'deliver') }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('replay'), nth: fc.nat({ max: 5 }) }) },
    ),
  })
  .map(({ via, what }) => ({ ...what, via }) as Command)

/** Most scripts begin as clients do. The rest is left to chance. */
const anyBeginning = fc.constantFrom<Command[][]>(
  [],
  [[{ do: 'create', who: 0, shape: 'parts' }]],
  [[{ do: 'create', who: 0, shape: 'parts' }], [{ do: 'upload', slot: 0 }]],
  [[{ do: 'create', who: 0, shape: 'single' }], [{ do: 'upload', slot: 0 }]],
)

/** A command crosses about ten crash points. */
const anyFault = fc.record({ at: fc.nat({ max: 12 }), kind: fc.constantFrom(...FAULTS) })

const anyFaults = fc.oneof(
  { weight: 1, arbitrary: fc.constant<PlannedFault[]>([]) },
  { weight: 1, arbitrary: fc.array(anyFault, { minLength: 1, maxLength: 2 }) },
)

const anyRound: fc.Arbitrary<Round> = fc.record({
  commands: fc.array(anyCommand, { minLength: 1, maxLength: 3 }),
  faults: anyFaults,
})

const anyRounds = fc
  .tuple(anyBeginning, fc.array(anyRound, { minLength: 1, maxLength: 10 }))
  .map(([beginning, rounds]) => [
    ...beginning.map((commands): Round => ({ commands, faults: [] })),
    ...rounds,
  ])

export const anyScript: fc.Arbitrary<Script> = fc.record({ rounds: anyRounds, schedule: fc.nat() })

/** What the scripts have covered, because a suite that completes nothing would prove nothing. */
export type Tally = Map<string, number>

const count = (tally: Tally, what: string) => tally.set(what, (tally.get(what) ?? 0) + 1)

interface Believed {
  facts: Facts
  beliefs: Belief[]
}

/** What the sweep makes of a reservation whose process died, where its client comes back later. */
const NEVER_BEGUN = { phase: 'failed', alive: false } as const

/** A session as it is first heard of: as it begins, and as it may have ended where its creation was not answered. */
function asFound(facts: Facts, mayHaveFailed: boolean): Belief[] {
  const begun: Belief = {
    phase: 'open',
    alive: facts.shape === 'parts',
    parts: '--',
    checked: '',
    said: '',
    declared: '',
    object: false,
    content: '',
    differs: false,
    attemptAt: 0,
    generation: 1,
  }
  return mayHaveFailed ? [begun, { ...begun, ...NEVER_BEGUN }] : [begun]
}

/** Creations with the same Idempotency-Key get the same session. Other commands have none. */
const creationsOf = (command: Command): string[] =>
  command.do === 'create' && command.key !== undefined
    ? [`${command.who} ${command.shape} ${command.key}`]
    : []

const isUnanswered = ({ text }: Observation) => text === 'no answer' || text.startsWith('5')

/** Runs the script. Returns everything that contradicts the model or an invariant. */
export async function runScript(world: World, script: Script, tally: Tally): Promise<string[]> {
  const run = await beginRun(world)
  const model: Model = { sessions: new Map(), unanswered: new Set() }
  const found: string[] = []
  const next = random(script.schedule)
  for (const [number, round] of script.rounds.entries()) {
    const commands = addressed(round.commands, run.clients.uploads.length)
    const from = world.clock().getTime()
    const before = run.clients.uploads.map(({ slot: known }) => known)
    world.port.arm(round.faults, script.schedule === 0 ? undefined : next)
    const seen = (await Promise.all(commands.map((command) => run.perform(command)))).flat()
    const span = spanOf(commands, from, world.clock().getTime())
    for (const { kind } of world.port.struck) count(tally, kind)
    const wrong = narrow(run, model, { commands, seen, before, span })
    const quota = await quotaFindings(world, run.clients.app.appId)
    found.push(...[...wrong, ...quota].map((text) => `round ${number + 1}: ${text}`))
    run.restart()
    if (found.length) break
  }
  const settled = await run.settle(async () =>
    found.push(...(await endFindings(world, run, model, tally))),
  )
  return [...found, ...settled]
}

/** Slots wrap around the sessions known at the start of the round. Without any there is nothing to address. */
const addressed = (commands: readonly Command[], known: number): Command[] =>
  commands.flatMap((command): Command[] => {
    if (!('slot' in command)) return [command]
    return known ? [{ ...command, slot: command.slot % known }] : []
  })

/** Each jump of the clock may have come before or after the other events of the round. */
function spanOf(commands: readonly Command[], from: number, to: number): Span {
  const times = new Set([from, to])
  for (const command of commands) {
    if (command.do !== 'advance') continue
    for (const time of [...times]) {
      const later = time + command.minutes * 60_000
      if (later <= to) times.add(later)
    }
  }
  return { from, to, times: [...times] }
}

interface Model {
  sessions: Map<number, Believed>
  /** Creations with a key whose outcome is unknown. */
  unanswered: Set<string>
}

interface Passed {
  commands: readonly Command[]
  seen: readonly Observation[]
  /** Slots known when the round began. */
  before: readonly number[]
  span: Span
}

/** Applies the round to the beliefs about each session, and checks what clients observed. */
function narrow(run: Run, { sessions, unanswered }: Model, passed: Passed): string[] {
  const { commands, seen, before, span } = passed
  for (const { command } of seen.filter(isUnanswered)) {
    for (const creation of creationsOf(command)) unanswered.add(creation)
  }
  const found: string[] = []
  for (const upload of run.clients.uploads) {
    const facts = {
      shape: upload.shape,
      createdAt: span.from,
      expiresAt: upload.expiresAt,
    }
    const isNew = !before.includes(upload.slot)
    const mine = seen.filter((one) => one.slot === upload.slot)
    const creations = mine.flatMap(({ command }) => creationsOf(command))
    const mayHaveFailed = creations.some((creation) => unanswered.has(creation))
    // A session created earlier and first seen now may have aged unseen.
    const known = sessions.get(upload.slot) ?? {
      facts: { ...facts, createdAt: 0 },
      beliefs: reachable(
        asFound(facts, mayHaveFailed),
        stepsOf({ do: 'sweep' }),
        { ...facts, createdAt: 0 },
        span,
      ),
    }
    const touching = commands.filter(
      (command) =>
        !('slot' in command) || command.do === 'resume' || command.slot === upload.slot || isNew,
    )
    const alone = commands.length === 1 && seen.every(({ faults }) => !faults.length)
    const after = alone ? afterAlone(known, commands[0]!, mine, span, found) : undefined
    const beliefs = after ?? afterAny(known, touching, mine, span, found)
    sessions.set(upload.slot, { facts: known.facts, beliefs })
  }
  for (const { text, faults, command } of seen) {
    if (!faults.length && text.startsWith('5')) found.push(`${tell(command)} is answered ${text}`)
  }
  return found
}

function afterAlone(
  { facts, beliefs }: Believed,
  command: Command,
  [seen]: readonly Observation[],
  span: Span,
  found: string[],
): Belief[] | undefined {
  if (!seen) return undefined
  const possible = beliefs.map((belief) => outcomesAlone(command, belief, facts, span.to))
  if (possible.some((outcomes) => !outcomes)) return undefined
  const outcomes = possible.flatMap((some) => some!)
  const fitting = outcomes.filter(([text]) => text === seen.text)
  if (fitting.length) return fitting.map(([, belief]) => belief)
  const allowed = [...new Set(outcomes.map(([text]) => text))].join(' or ')
  found.push(`${tell(command)} is answered ${seen.text}; the model allows ${allowed}`)
  return beliefs
}

function afterAny(
  { facts, beliefs }: Believed,
  commands: readonly Command[],
  seen: readonly Observation[],
  span: Span,
  found: string[],
): Belief[] {
  const steps = commands.flatMap(stepsOf)
  const may = reachable(beliefs, steps, facts, span)
  let left = may
  for (const one of seen) {
    if (!may.some((belief) => mayBeSeen(one, belief, facts))) {
      const phases = [...new Set(may.map(({ phase }) => phase))].join(' or ')
      found.push(`${tell(one.command)} shows ${one.state}; the model allows ${phases}`)
    }
    const { state } = one
    if (state && ['completed', 'aborted', 'expired', 'failed'].includes(state)) {
      left = left.filter(({ phase }) => phase === state)
    }
  }
  return left.length ? left : may
}

/** The state of each session after recovery must be possible in the model. */
async function endFindings(
  world: World,
  run: Run,
  { sessions }: Model,
  tally: Tally,
): Promise<string[]> {
  const rows = await sessionRows(world, run.clients.app.appId)
  for (const { state } of rows) count(tally, state)
  const now = world.clock().getTime()
  return run.clients.uploads.flatMap(({ slot: number, id }) => {
    const { facts, beliefs } = sessions.get(number)!
    const span = { from: now, to: now, times: [now] }
    const may = reachable(beliefs, stepsOf({ do: 'sweep' }), facts, span)
    const row = rows.find(({ upload_id }) => upload_id === id)
    const state = row?.state
    if (may.some(({ phase }) => phase === state)) return []
    const phases = [...new Set(may.map(({ phase }) => phase))].join(' or ')
    const ended = row?.failure ? `${state} (${row.failure})` : state
    return [`u${number} ends ${ended}; the model allows ${phases}`]
  })
}

/** A command as a person says it. */
function tell(command: Command): string {
  const { via = 0 } = command
  const rest = Object.entries(command)
    .filter(([name]) => name !== 'do' && name !== 'via' && name !== 'slot')
    .map(([name, value]) => `${name} ${value}`)
  const session = 'slot' in command ? ` u${command.slot}` : ''
  return `${command.do}${session}${rest.length ? ` (${rest.join(', ')})` : ''}${via ? ' on the second process' : ''}`
}

export const tellScript = ({ rounds, schedule }: Script): string =>
  [
    ...rounds.flatMap(({ commands, faults }, at) => [
      `  ${at + 1}. ${commands.map(tell).join('  ∥  ')}`,
      ...faults.map((fault) => `     fault: ${fault.kind}, at crash point ${fault.at}`),
    ]),
    `  schedule ${schedule}`,
  ].join('\n')
