// The fault port: every await of the service on database, store, webhook and delay, and every request of a client, crosses
// it. It lets one call go at a time, chosen by the script's schedule, numbers them as crash points, and does what was planned.
import { AsyncLocalStorage } from 'node:async_hooks'
import { countCrypto } from './count-crypto.ts'

export const FAULTS = ['before', 'after', 'lost', 'kill before', 'kill after', 'hang'] as const
/**
 * `before`: not done, an error at once. `after`: done, an error at once. `lost`: done, a time-out much later.
 * `kill …`: the instance makes no further step. `hang`: not done, and the caller hears nothing for good.
 */
export type Fault = (typeof FAULTS)[number] | typeof NO_LENGTH

/** What only HEAD can suffer: done, and something on the way drops the length of the answer. */
export const NO_LENGTH = 'no length'
const HEAD = 'store.head'

export interface PlannedFault {
  /** Number of the crash point, counted from `arm`. */
  at: number
  kind: Fault
}

/** At the crash point of this name, the nth of them: their order may differ where several are in flight. */
export interface NamedFault {
  point: string
  nth: number
  kind: Fault
}

/** What was planned and really done. */
export interface Struck extends NamedFault {
  at: number
}

export type Channel = 'database' | 'store' | 'webhook' | 'delay' | 'client'

export interface CrashPoint {
  name: string
  channel: Channel
}

/** How long a caller waits for an answer that is lost. */
const TIMEOUT_MS: Record<Channel, number> = {
  database: 20_000,
  store: 30_000,
  webhook: 15_000,
  delay: 0,
  client: 60_000,
}

/** One process of the service. Dead, none of its awaits ever ends. */
export interface Instance {
  number: number
  dead: boolean
}

/** What one command set going. `faults` tells which of its awaits were tampered with. */
export interface Task {
  name: string
  instance: Instance | undefined
  faults: string[]
  /** The test's own look at the world: no crash point. */
  outside?: boolean
  /** What runs now was let through as one crash point. */
  crossing?: boolean
  giveUp(reason: Error): void
}

/** What a task rejected with, and what was done to its awaits. */
export type Faulted = Error & { faults?: string[] }

/** The caller waits no longer: killed, hung, or cut off. */
export class NoAnswer extends Error {}

const forever = <Value>() => new Promise<Value>(() => {})

interface Waiting {
  instance: Instance | undefined
  go: () => void
}

export interface FaultPortOptions {
  timePasses: (milliseconds: number) => void
  /** What a caller on this channel sees of a call that failed or timed out. */
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

  /** Looks twice, a turn of the event loop apart, so that whatever runs has come to its next await. */
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

  /** The instance's own call: waits for its turn, then is done, or not, as planned. */
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

  /** Work of the test itself, in its turn, past all faults. */
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

  /** A call that consists of others, such as a client's request to the service: only whether it is heard is at stake. */
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

  /** Runs work as a task of this instance. Rejects with NoAnswer where it will never end. */
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

  /** While another party works on our call and calls back, the turn is the callback's. */
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
    /** What was crossed since `arm`, in order. */
    get points(): readonly CrashPoint[] {
      return points
    },
    /** The planned faults that were done since `arm`, in order. */
    get struck(): readonly Struck[] {
      return struck
    },
    /** Counts from here on. `pick` chooses among so many waiting calls. */
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
    /** The task that is doing something on its own, past this port; undefined where that is the test itself. */
    get pastIt(): string | undefined {
      const task = tasks.getStore()
      return task && !task.outside && !task.crossing ? task.name : undefined
    },
    close: uncount,
  }
}

export type FaultPort = ReturnType<typeof faultPort>

/** A client has no process that we could kill, and a delay cannot fail. */
export function applies({ name, channel }: CrashPoint, kind: Fault): boolean {
  if (kind === NO_LENGTH) return name === HEAD
  if (channel === 'client') return !kind.startsWith('kill')
  if (channel === 'delay') return kind.startsWith('kill')
  return true
}
