// What the operating system says of processes, and running a program to its end.
// A pid alone proves nothing, since pids are reused: every question here also looks at the start time or the command line.
import { type ChildProcess, execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

export const UNKNOWN_START = 'unknown'

/**
 * What tells a process from a later one with the same pid: when it started. Undefined where no such
 * process runs (a zombie has ended), `unknown` where it runs but the system does not say since when.
 */
export function processStart(pid: number): string | undefined {
  if (!exists(pid)) return undefined
  if (process.platform === 'linux') return linuxStart(pid)
  if (process.platform === 'win32') return UNKNOWN_START
  const [state, ...start] = ps(pid, 'stat=,lstart=').split(/\s+/)
  if (state?.startsWith('Z')) return undefined
  return start.join(' ') || UNKNOWN_START
}

/** Whether the process that once started as `start` is still there. When in doubt, it is. */
export function isRunning(pid: number, start: string): boolean {
  const now = processStart(pid)
  if (now === undefined) return false
  return now === start || now === UNKNOWN_START || start === UNKNOWN_START
}

/** The command line with its arguments joined by blanks; undefined where it cannot be read. */
export function commandLine(pid: number): string | undefined {
  if (process.platform === 'win32') return undefined
  if (process.platform !== 'linux') return ps(pid, 'command=') || undefined
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
  } catch {
    return undefined
  }
}

/** Waits until the process is gone. False when it is still there after `timeoutMs`. It need not be our child. */
export async function processGone(pid: number, start: string, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs
  while (isRunning(pid, start)) {
    if (performance.now() > deadline) return false
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return true
}

export interface Outcome {
  /** Exit code, or what ended or prevented it: a signal's name, `ENOENT`, `timeout`. */
  status: number | string
  stderr: string
}

/** Waits for a child to end, feeding it `input`. Never rejects: a program that cannot be started is an outcome too. */
export function outcome(child: ChildProcess, timeoutMs: number, input = ''): Promise<Outcome> {
  return new Promise((resolve) => {
    let stderr = ''
    let ended: string | undefined
    const timer = setTimeout(() => {
      ended = 'timeout'
      child.kill('SIGKILL')
    }, timeoutMs)
    const finish = (status: number | string) => {
      clearTimeout(timer)
      resolve({ status: ended ?? status, stderr: stderr.trim() })
    }
    child.stdout?.resume()
    child.stderr?.setEncoding('utf8').on('data', (text) => {
      stderr = (stderr + text).slice(-8192)
    })
    child.on('error', (error: NodeJS.ErrnoException) => finish(error.code ?? error.message))
    child.on('close', (code, signal) => finish(code ?? signal ?? 'unknown'))
    // A program that ends before it has read everything says so with its status.
    child.stdin?.on('error', () => {}).end(input)
  })
}

function exists(pid: number): boolean {
  // 0 and below would mean groups of processes.
  if (!(pid > 0)) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** proc(5): field 3 is the state, field 22 the start in ticks since boot; the name before them may hold anything. */
function linuxStart(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    return `${boot}/${fields[19]}`
  } catch {
    return exists(pid) ? UNKNOWN_START : undefined
  }
}

function ps(pid: number, columns: string): string {
  try {
    const env = { ...process.env, LC_ALL: 'C', TZ: 'UTC' }
    const stdio = ['ignore', 'pipe', 'ignore'] as const
    const args = ['-ww', '-o', columns, '-p', String(pid)]
    return execFileSync('ps', args, { env, stdio: [...stdio], encoding: 'utf8' }).trim()
  } catch {
    return ''
  }
}
