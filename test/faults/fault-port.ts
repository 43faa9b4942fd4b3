// The fault port. Every await of the service on database, store, webhook or delay crosses it, and so does every client request.
// It lets one call run at a time, in the order of the script's schedule, numbers them as crash points, and applies planned faults.
import { AsyncLocalStorage } from 'node:async_hooks'
import { countCrypto } from './count-crypto.ts'

export const FAULTS = ['before', 'after', 'lost', 'kill before', 'kill after', 'hang'] as const
/**
 * `before`: not done, fails at once. `after`: done, fails at once. `lost`: done, times out much later.
 * `kill …`: the instance takes no further step. `hang`: not done, and the caller never gets an answer.
 */
export type Fault = (typeof FAULTS)[number] | typeof NO_LENGTH

/** A fault of HEAD only: done, but an intermediary drops the answer's length. */
export const NO_LENGTH = 'no length'
const HEAD = 'store.head'

export interface PlannedFault {
  /** Number of the crash point, counted from `arm`. */
  at: number
  kind: Fault
}

/** At the nth crash point of this name, because the order of all points varies if several calls are in flight. */
export interface NamedFault {
  point: string
  nth: number
  kind: Fault
}

/** A planned fault that was applied. */
export interface Struck extends NamedFault {
  at: number
}

export type Channel = 'database' | 'store' | 'webhook' | 'delay' | 'client'

export interface CrashPoint {
  name: string
  channel: Channel
}

/** How long a caller waits for a lost answer. */
const TIMEOUT_MS: Record<Channel, number> = {
  database: 20_000,
  store: 30_000,
  webhook: 15_000,
  delay: 0,
  client: 60_000,
}

/** One process of the service. After its death none of its awaits ever ends. */
export interface Instance {
  number: number
  dead: boolean
}

/** The work of one command. `faults` names the faults applied to its awaits. */
export interface Task {
  name: string
  instance: Instance | undefined
  faults: string[]
  /** The test's own call, which is no crash point. */
  outside?: boolean
  /** The running call already counts as one crash point. */
  crossing?: boolean
  giveUp(reason: Error): void
}

/** A task's rejection, and the faults applied to its awaits. */
export type Faulted = Error & { faults?: string[] }

/** The caller no longer waits, because it was killed, hung or cut off. */
export class NoAnswer extends Error {}

const forever = <Value>() => new Promise<Value>(() => {})

interface Waiting {
  instance: Instance | undefined
  go: () => void
}

export interface FaultPortOptions {
  timePasses: (milliseconds: number) => void
  /** The error that a caller on this channel gets for a failed or timed-out call. */
  failure: (channel: Channel, kind: 'before' | 'after' | 'lost') => unknown
  /** The same answer without its length. */
  withoutLength: <Value>(answer: Value) => Value
}

export function faultPort({ timePasses, failure, withoutLength }: FaultPortOptions) {
  const tasks = new AsyncLocalStorage<Task>()
  let plan = new Map<number | string, Fault>()
  let points: CrashPoint[] = []
  let struck: Struck[] = []
  let armed = false
  let choose = (count: number) => (count ? 0 : 0)
  let waiting: Waiting[] = []
  let delays: Waiting[] = []
  let busy = 0
  let poked = false
  const uncount = countCrypto((by) => {
    busy += by
    if (by < 0) poke()
  })

  /** Checks twice, one turn of the event loop apart, so that all running work has reached its next await. */
  function poke(): void {
    if (poked) return
    poked = true
    setImmediate(() =>
      setImmediate(() => {
        poked = false
        if (busy > 0) return
        if (!waiting.length) [waiting, delays] = [delays.splice(0, 1), delays]
        const [next] = waiting.splice(choose(waiting.length), 1)
        if (!next) return
        busy++
        next.go()
      }),
    )
  }

  function takeFault(channel: Channel, name: string, task: Task | undefined): Fault | undefined {
    if (!armed) return undefined
    const nth = points.filter((earlier) => earlier.name === name).length
    const at = points.push({ name, channel }) - 1
    const kind = plan.get(at) ?? plan.get(`${name} ${nth}`)
    if (kind === undefined || !applies({ name, channel }, kind)) return undefined
    struck.push({ at, point: name, nth, kind })
    task?.faults.push(`${kind} ${name}`)
    return kind
  }

  function kill(instance: Instance | undefined, task: Task | undefined): void {
    if (instance) instance.dead = true
    waiting = waiting.filter((other) => !other.instance?.dead)
    delays = delays.filter((other) => !other.instance?.dead)
    for (const other of running) if (other.instance?.dead) other.giveUp(new NoAnswer('killed'))
    task?.giveUp(new NoAnswer('killed'))
  }

  const running = new Set<Task>()

  /** A call by the instance. It waits for its turn, and is then done or not, as planned. */
  async function cross<Value>(
    channel: Channel,
    name: string,
    work: () => Promise<Value>,
  ): Promise<Value> {
    const task = tasks.getStore()
    if (task?.outside) return work()
    const instance = task?.instance
    if (instance?.dead) return forever()
    await new Promise<void>((go) => {
      ;(channel === 'delay' ? delays : waiting).push({ instance, go })
      poke()
    })
    const release = () => {
      busy--
      poke()
    }
    const fault = takeFault(channel, name, task)
    if (fault === 'before' || fault === 'hang' || fault === 'kill before') {
      release()
      if (fault === 'before') throw failure(channel, 'before')
      if (fault === 'kill before') kill(instance, task)
      else task?.giveUp(new NoAnswer('hung'))
      return forever()
    }
    try {
      const value = await (task ? tasks.run({ ...task, crossing: true }, work) : work())
      if (fault === 'kill after') {
        kill(instance, task)
        return forever()
      }
      if (fault === NO_LENGTH) return withoutLength(value)
      if (fault === 'lost') timePasses(TIMEOUT_MS[channel])
      if (fault) throw failure(channel, fault)
      return value
    } finally {
      release()
    }
  }

  /** Work of the test itself, in turn but without faults. */
  async function outside<Value>(work: () => Promise<Value>): Promise<Value> {
    await new Promise<void>((go) => {
      waiting.push({ instance: undefined, go })
      poke()
    })
    try {
      const task = { name: 'outside', instance: undefined, faults: [], outside: true }
      return await tasks.run({ ...task, giveUp: () => {} }, work)
    } finally {
      busy--
      poke()
    }
  }

  /** A call made of others, such as a client's request to the service. A fault affects only whether its answer arrives. */
  async function around<Value>(name: string, work: () => Promise<Value>): Promise<Value> {
    const task = tasks.getStore()
    const fault = takeFault('client', name, task)
    if (fault === 'before') throw failure('client', 'before')
    if (fault === 'hang') throw new NoAnswer('hung')
    const value = await work()
    if (!fault) return value
    if (fault === 'lost') timePasses(TIMEOUT_MS.client)
    throw failure('client', fault === 'lost' ? 'lost' : 'after')
  }

  /** Runs work as a task of this instance. Rejects with NoAnswer if it will never end. */
  async function run<Value>(
    name: string,
    instance: Instance | undefined,
    work: () => Promise<Value>,
  ): Promise<{ value: Value; faults: string[] }> {
    let giveUp: (reason: Error) => void = () => {}
    const abandoned = new Promise<never>((_, reject) => {
      giveUp = reject
    })
    abandoned.catch(() => {})
    const task: Task = { name, instance, faults: [], giveUp }
    running.add(task)
    try {
      if (instance?.dead) throw new NoAnswer('killed')
      const value = await Promise.race([tasks.run(task, work), abandoned])
      return { value, faults: task.faults }
    } catch (error) {
      const failed = (error instanceof Error ? error : new Error(String(error))) as Faulted
      failed.faults = [...(failed.faults ?? []), ...task.faults]
      throw failed
    } finally {
      running.delete(task)
    }
  }

  /** Lends the turn to a callback while another party works on our call. */
  async function nested<Value>(work: () => Promise<Value>): Promise<Value> {
    busy--
    poke()
    try {
      return await work()
    } finally {
      busy++
    }
  }

  return {
    cross,
    around,
    outside,
    run,
    nested,
    /** The crash points crossed since `arm`, in order. */
    get points(): readonly CrashPoint[] {
      return points
    },
    /** The faults applied since `arm`, in order. */
    get struck(): readonly Struck[] {
      return struck
    },
    /** Restarts the count. `pick` chooses among this many waiting calls. */
    arm(
      faults: ReadonlyArray<PlannedFault | NamedFault>,
      pick: (count: number) => number = () => 0,
    ): void {
      plan = new Map(
        faults.map((fault) => [
          'at' in fault ? fault.at : `${fault.point} ${fault.nth}`,
          fault.kind,
        ]),
      )
      points = []
      struck = []
      armed = true
      choose = pick
    },
    disarm(): void {
      armed = false
      choose = () => 0
    },
    /** The task that currently works outside this port; undefined if it is the test itself. */
    get pastIt(): string | undefined {
      const task = tasks.getStore()
      return task && !task.outside && !task.crossing ? task.name : undefined
    },
    close: uncount,
  }
}

export type FaultPort = ReturnType<typeof faultPort>

/** A client has no process to kill, and a delay cannot fail. */
export function applies({ name, channel }: CrashPoint, kind: Fault): boolean {
  if (kind === NO_LENGTH) return name === HEAD
  if (channel === 'client') return !kind.startsWith('kill')
  if (channel === 'delay') return kind.startsWith('kill')
  return true
}
