// The reference model of a session: a set of beliefs, each one way the session may stand. Commands are made of small guarded
// steps. Alone and untouched by faults a command has one outcome for each belief; otherwise any steps of what was under way,
// in any order, may have happened. What a client observes must be possible, and narrows the beliefs.
import type { UploadState } from '../../src/core/upload-session.ts'
import type { Command, Observation, Shape } from './commands.ts'

const WINDOW_MS = 15 * 60_000
const IDLE_MS = 24 * 3600_000
const NO_PARTS = '--'

export interface Belief {
  phase: UploadState
  /** The store knows the storage upload. */
  alive: boolean
  /** The version of each part that is stored, or a dash. */
  parts: string
  /** The parts as they were each time a direct completion was signed, or a relayed one listed them since; empty before that. */
  checked: string
  /** What the session is bound to as a signed direct completion declared it: the parts that this version of the file has. */
  said: string
  /** What the attempt that is under way declares, with what the session is bound to. */
  declared: string
  /** The session's own object is in the store. */
  object: boolean
  /** The parts that it was made of. */
  content: string
  /** It is not made of any parts that were checked: it is never finished, and fails the session. */
  differs: boolean
  /** Last attempt to complete; 0 for none. */
  attemptAt: number
  generation: number
}

export interface Facts {
  shape: Shape
  createdAt: number
  expiresAt: number
}

/** From when to when it happened: a lost answer takes time. */
export interface Span {
  from: number
  to: number
  /** The moments between at which it may have happened: the clock jumps. */
  times: readonly number[]
}

type Step = (belief: Belief, facts: Facts, span: Span) => Belief | Belief[] | undefined

const unfinished = ({ phase }: Belief) => phase === 'open' || phase === 'completing'
const outsideWindow = ({ attemptAt }: Belief, at: number) => at - attemptAt >= WINDOW_MS
const complete = ({ parts, alive }: Belief) => alive && !parts.includes('-')
/** Of a completed storage upload nothing is left. */
const USED = { object: true, alive: false, parts: NO_PARTS }
const withChecked = ({ checked, parts }: Belief) =>
  [...new Set([...checked.split(' ').filter(Boolean), parts])].sort().join(' ')
const made = (b: Belief) => ({ ...USED, content: b.parts })
/** What is declared for this version of the file; nothing where none is. */
const partsOf = (file: number | undefined, { shape }: Facts) =>
  file === undefined || shape !== 'parts' ? '' : `${file}${file}`

const STEPS = {
  /** A relayed completion has seen the parts as they are. */
  recheck: (b) => (b.checked && complete(b) ? { ...b, checked: withChecked(b) } : undefined),
  makeObject(b, { shape }) {
    if (shape === 'single' || b.object) return undefined
    if (shape === 'empty') return b.phase === 'completing' ? { ...b, object: true } : undefined
    if (!complete(b) || (b.declared && b.declared !== b.parts)) return undefined
    return { ...b, ...made(b), checked: b.checked && withChecked(b) }
  },
  /** The store takes whatever is there. */
  makeDirectly: (b) =>
    complete(b) && b.checked && !b.object
      ? { ...b, ...made(b), differs: !b.checked.split(' ').includes(b.parts) }
      : undefined,
  finish: (b) =>
    unfinished(b) && b.object && !b.differs
      ? { ...b, phase: 'completed', declared: '' }
      : undefined,
  failDiffering: (b) =>
    unfinished(b) && b.differs ? { ...b, phase: 'failed', declared: '' } : undefined,
  reopen: (b) => (b.phase === 'completing' ? { ...b, phase: 'open', declared: '' } : undefined),
  forgetAttempt: (b) => (b.phase === 'open' ? { ...b, attemptAt: 0 } : undefined),
  heal(b, { shape }, { to }) {
    const lost = shape === 'parts' && !b.alive && !b.object
    if (b.phase !== 'open' || !lost || !outsideWindow(b, to)) return undefined
    if (b.generation >= 3) return { ...b, phase: 'failed' }
    return { ...b, alive: true, parts: NO_PARTS, checked: '', generation: b.generation + 1 }
  },
  abort: (b, _, { to }) =>
    b.phase === 'open' && outsideWindow(b, to) ? { ...b, phase: 'aborted' } : undefined,
  // What a completion has made is found first; a single PUT may come while the sweep looks.
  expire(b, { shape, createdAt, expiresAt }, { to }) {
    if (b.object && shape !== 'single') return undefined
    const due = to >= Math.min(createdAt + IDLE_MS, expiresAt)
    return b.phase === 'open' && due && outsideWindow(b, to)
      ? { ...b, phase: 'expired' }
      : undefined
  },
  failLost: (b, { expiresAt }, { to }) =>
    b.phase === 'completing' && !b.alive && !b.object && to >= expiresAt
      ? { ...b, phase: 'failed', declared: '' }
      : undefined,
  release: (b) =>
    b.phase === 'aborted' || b.phase === 'expired' || b.phase === 'failed'
      ? { ...b, alive: false, parts: NO_PARTS, object: false, content: '', differs: false }
      : undefined,
  lose: (b) => (b.alive ? { ...b, alive: false, parts: NO_PARTS } : undefined),
} satisfies Record<string, Step>

/** Who takes over an attempt settles it by what that declared. Without a list of the parts it has attempted nothing itself. */
const claim =
  (file: number | undefined): Step =>
  (b, facts, { times }) => {
    if (!unfinished(b)) return undefined
    const declared = b.phase === 'open' ? b.said || partsOf(file, facts) : b.declared
    const attempts = b.phase === 'completing' ? [b.attemptAt, ...times] : times
    return attempts.map((attemptAt) => ({ ...b, phase: 'completing', declared, attemptAt }))
  }

const signDirect =
  (file: number | undefined): Step =>
  (b, facts, { times }) => {
    const said = b.said || partsOf(file, facts)
    if (b.phase !== 'open' || !complete(b) || (said && said !== b.parts)) return undefined
    // Bound from now on, the session is of no other parts.
    const checked = said === b.said ? withChecked(b) : b.parts
    return times.map((attemptAt) => ({ ...b, said, attemptAt, checked }))
  }

const store =
  (part: number, version: number) =>
  (b: Belief, { shape }: Facts): Belief | undefined => {
    if (shape === 'single') return { ...b, object: true }
    if (!b.alive) return undefined
    const parts = [...b.parts]
    parts[part - 1] = String(version)
    return { ...b, parts: parts.join('') }
  }

const { finish, failDiffering, heal, release, makeObject, reopen } = STEPS
const { forgetAttempt, recheck, makeDirectly } = STEPS
/** What a look at the session may come to. */
const ASKING: Step[] = [finish, failDiffering, heal, release]

/** The steps that a command may take part of. */
export function stepsOf(command: Command): Step[] {
  switch (command.do) {
    case 'get':
    case 'resume':
    case 'create':
      return ASKING
    // Where the URLs at hand and the token have ended, a client asks for the session first.
    case 'put':
      return [...ASKING, store(command.part, command.version)]
    case 'upload':
      return [...ASKING, store(1, 0), store(2, 0)]
    case 'complete': {
      const made = [recheck, makeObject, finish, failDiffering, release]
      return [claim(command.file), ...made, reopen, forgetAttempt]
    }
    case 'direct':
      return [signDirect(command.file), makeDirectly, finish]
    case 'post':
      return [makeDirectly, finish]
    case 'callback':
      return [finish]
    case 'abort':
      return [STEPS.abort, release]
    case 'lose':
      return [STEPS.lose]
    case 'sweep':
      return [finish, failDiffering, STEPS.expire, reopen, STEPS.failLost, release]
    default:
      return []
  }
}

const asText = (belief: Belief) => JSON.stringify(belief)

/** Everything that may be reached by these steps in any order and number. */
export function reachable(
  beliefs: readonly Belief[],
  steps: readonly Step[],
  facts: Facts,
  span: Span,
): Belief[] {
  const found = new Map(beliefs.map((belief) => [asText(belief), belief]))
  for (const belief of found.values()) {
    for (const step of steps) {
      for (const next of [step(belief, facts, span) ?? []].flat()) found.set(asText(next), next)
    }
  }
  return [...found.values()]
}

type Outcome = [text: string, next: Belief]

const endedAs = ({ phase }: Belief) =>
  phase === 'expired' ? '409 upload-expired' : '409 upload-not-open'

const failedAndGone = (b: Belief): Belief => release({ ...b, phase: 'failed', declared: '' })!

function completeAlone(b: Belief, facts: Facts, now: number, wants: string): Outcome[] {
  const { shape, expiresAt } = facts
  /** Whoever declares other bytes than were completed is told. */
  const told = (content: string) =>
    wants && wants !== content ? '422 checksum-mismatch' : '200 completed'
  if (b.phase === 'completed') return [[told(b.content), b]]
  if (!unfinished(b)) return [[endedAs(b), b]]
  if (wants && b.said && wants !== b.said) return [['422 checksum-mismatch', b]]
  if (b.phase === 'open' && now >= expiresAt) return [['409 upload-expired', b]]
  const waits: Outcome[] = b.phase === 'completing' ? [['202 completing', b]] : []
  const opened = { ...b, phase: 'open' as const, declared: '' }
  const done = { ...opened, phase: 'completed' as const, ...USED }
  const reopened = (text: string): Outcome[] => [
    [text, opened],
    [text, { ...opened, attemptAt: 0 }],
  ]
  if (b.differs) return [...waits, ['409 object-mismatch', failedAndGone(b)]]
  if (b.object || shape === 'empty') return [...waits, [told(b.content), done]]
  const own = b.said || wants
  const held = b.phase === 'completing' ? b.declared : own
  if (shape === 'parts' && complete(b)) {
    const heldFits = !held || held === b.parts
    const content = b.parts
    if (heldFits) return [...waits, [told(content), { ...done, content }]]
    // An attempt that came to nothing binds nobody: the next is one's own.
    const ownFits = own !== held && (!own || own === b.parts)
    if (ownFits) return [...waits, [told(content), { ...done, content }]]
    return [...waits, ...reopened('422 checksum-mismatch')]
  }
  if (shape === 'single' || b.alive) return [...waits, ...reopened('422 parts-mismatch')]
  return [
    ...waits,
    b.attemptAt
      ? ['202 completing', { ...b, phase: 'completing', declared: held, attemptAt: now }]
      : ['409 storage-upload-lost', opened],
  ]
}

function statusAlone(b: Belief, { shape, expiresAt }: Facts, now: number): Outcome[] {
  if (!unfinished(b) || shape !== 'parts' || b.alive) return [[`200 ${b.phase}`, b]]
  if (b.differs) return [['200 failed', failedAndGone(b)]]
  if (b.object) return [['200 completed', { ...b, phase: 'completed', declared: '' }]]
  if (b.phase === 'completing') return [['200 completing', b]]
  if (!outsideWindow(b, now)) return [['409 upload-completing', b]]
  if (now >= expiresAt) return [['409 upload-expired', b]]
  const healed = heal(b, { shape, createdAt: 0, expiresAt }, { from: now, to: now, times: [now] })!
  return [[`200 ${healed.phase}`, healed]]
}

function abortAlone(b: Belief, now: number): Outcome[] {
  if (b.phase === 'aborted') return [['200 aborted', b]]
  if (b.phase === 'completing') return [['409 upload-completing', b]]
  if (b.phase !== 'open') return [[endedAs(b), b]]
  if (!outsideWindow(b, now)) return [['409 upload-completing', b]]
  return [['200 aborted', release({ ...b, phase: 'aborted' })!]]
}

/** A part of an open session that nobody disturbs is stored. */
function putAlone(
  command: Extract<Command, { do: 'put' }>,
  b: Belief,
  facts: Facts,
  now: number,
): Outcome[] | undefined {
  const isOpen = facts.shape === 'parts' && b.phase === 'open' && b.alive
  if (!isOpen || now >= facts.expiresAt) return undefined
  return [['200', store(command.part, command.version)(b, facts)!]]
}

/** What was checked a moment ago is what the store makes, and its callback says so. */
function directAlone(b: Belief, facts: Facts, now: number, wants: string): Outcome[] | undefined {
  const isReady = facts.shape === 'parts' && b.phase === 'open' && complete(b) && !b.object
  if (!isReady || now >= facts.expiresAt) return undefined
  const said = b.said || wants
  if ((wants && wants !== said) || (said && said !== b.parts)) {
    return [['422 checksum-mismatch', b]]
  }
  return [['200 completed', { ...b, phase: 'completed', said, ...made(b), attemptAt: now }]]
}

/** Outcomes of a command that nothing disturbed, or undefined where the steps say it all. */
export function outcomesAlone(
  command: Command,
  b: Belief,
  facts: Facts,
  now: number,
): Outcome[] | undefined {
  switch (command.do) {
    case 'complete':
      return completeAlone(b, facts, now, partsOf(command.file, facts))
    case 'get':
      return statusAlone(b, facts, now)
    case 'abort':
      return abortAlone(b, now)
    case 'put':
      return putAlone(command, b, facts, now)
    case 'direct':
      return directAlone(b, facts, now, partsOf(command.file, facts))
    default:
      return undefined
  }
}

/** What is seen of a put or a state narrows the beliefs, whatever else was under way. */
export function mayBeSeen(seen: Observation, before: Belief, facts: Facts): boolean {
  if (seen.state === undefined) return true
  if (seen.state === 'stored') return facts.shape === 'single' || before.alive
  const { command, state } = seen
  const wants = command.do === 'complete' ? partsOf(command.file, facts) : ''
  const isOther = state === 'completed' && wants && wants !== before.content
  return before.phase === state && !isOther
}
