// Finds the processes that work for one folder, whatever their name and their current parent. A process is identified by its pid
// and its start time, because pids are reused.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { commandLine, isRunning, processStart } from '../../src/embedded/postgres/process.ts'

/** PostgreSQL's processes check for their postmaster now and then. A process ended by a signal is gone at once. */
const GONE_MS = 10_000
const POLL_MS = 20

interface Process {
  pid: number
  start: string
  command: string
}

/** To be called before anything is started that should be watched: what is there already is none of it. */
export function watchFolder(folder: string) {
  const others = new Set(processesOf(folder, []).map(nameOf))
  const seen = new Map<string, Process>()

  function look(roots: readonly number[]): void {
    for (const one of processesOf(folder, roots)) {
      if (!others.has(nameOf(one))) seen.set(nameOf(one), one)
    }
  }

  function left(living: readonly number[]): Process[] {
    look(living)
    const family = new Set(familyOf(living))
    return [...seen.values()].filter(({ pid, start }) => !family.has(pid) && isRunning(pid, start))
  }

  return {
    /** Remembers the running processes, which must be gone later even if nothing about them names the folder any more. */
    look,

    /** How many processes have been seen. */
    count: () => seen.size,

    /** Waits until only `living` and their descendants run. Returns the processes that stay. */
    async remaining(living: readonly number[]): Promise<string[]> {
      const until = performance.now() + GONE_MS
      while (left(living).length && performance.now() < until) await delay(POLL_MS)
      return left(living).map(({ pid, command }) => `${pid} ${command}`)
    },
  }
}

const nameOf = ({ pid, start }: Process) => `${pid}/${start}`

/** The roots with their descendants, and every process that works in the folder or has its name in its arguments. */
function processesOf(folder: string, roots: readonly number[]): Process[] {
  const family = new Set(familyOf(roots))
  return allPids()
    .filter((pid) => family.has(pid) || belongsTo(pid, folder))
    .flatMap((pid) => {
      const start = processStart(pid)
      return start ? [{ pid, start, command: commandLine(pid) ?? '' }] : []
    })
}

/**
 * A service has the folder in its environment, and a store or a PostgreSQL program also in its arguments. A backend has
 * overwritten both, but its working directory is the cluster's folder.
 */
const belongsTo = (pid: number, folder: string): boolean =>
  pid !== process.pid &&
  [
    () => readFileSync(`/proc/${pid}/cmdline`, 'utf8'),
    () => readFileSync(`/proc/${pid}/environ`, 'utf8'),
    () => readlinkSync(`/proc/${pid}/cwd`),
  ].some((read) => textOf(read).includes(folder))

function familyOf(roots: readonly number[]): number[] {
  const children = new Map<number, number[]>()
  for (const pid of allPids()) {
    const parent = parentOf(pid)
    children.set(parent, [...(children.get(parent) ?? []), pid])
  }
  const family = [...roots]
  for (const pid of family) family.push(...(children.get(pid) ?? []))
  return family
}

/** proc(5): the second field after the name, which may contain anything. 0 if the process has ended. */
function parentOf(pid: number): number {
  const stat = textOf(() => readFileSync(`/proc/${pid}/stat`, 'utf8'))
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1] ?? 0)
}

const allPids = (): number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)

/** Empty if the process has just ended, or belongs to another user. */
function textOf(read: () => string): string {
  try {
    return read()
  } catch {
    return ''
  }
}
