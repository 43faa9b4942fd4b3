// Asks the operating system about processes, and runs a program to its end. Pids are reused, so every question also looks
// at the start time or the command line.
import { type ChildProcess, execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

export const UNKNOWN_START = 'unknown'

/** How a PostgreSQL is stopped: fast (sessions end, data is written), immediately, by force. */
export const STOP_SIGNALS = ['SIGINT', 'SIGQUIT', 'SIGKILL'] as const
/** How long each of these may take. */
export const STOP_LIMIT_MS = 10_000

/**
 * When the process started, which distinguishes it from a later one with the same pid. Undefined if no such process runs (a
 * zombie has ended), `unknown` if the system does not tell the time.
 */
export function processStart(pid: number): string | undefined {
  if (!exists(pid)) return undefined
  if (process.platform === 'linux') return linuxStart(pid)
  if (process.platform === 'win32') return UNKNOWN_START
  const [state, ...start] = ps(pid, 'stat=,lstart=').split(/\s+/)
  if (state?.startsWith('Z')) return undefined
  return start.join(' ') || UNKNOWN_START
}

/** True if the process that started at `start` still runs, or if that is unknown. */
export function isRunning(pid: number, start: string): boolean {
  const now = processStart(pid)
  if (now === undefined) return false
  return now === start || now === UNKNOWN_START || start === UNKNOWN_START
}

/** The command line, its arguments joined by blanks. Undefined if it cannot be read. */
export function commandLine(pid: number): string | undefined {
  if (process.platform === 'win32') return undefined
  if (process.platform !== 'linux') return ps(pid, 'command=') || undefined
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
  } catch {
    return undefined
  }
}

/** Waits until the process, which need not be a child, is gone. Returns false if it still runs after `timeoutMs`. */
export async function processGone(pid: number, start: string, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs
  while (isRunning(pid, start)) {
    if (performance.now() > deadline) return false
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return true
}

export interface Outcome {
  /** The exit code, or the reason there is none: a signal's name, `ENOENT`, `timeout`. */
  status: number | string
  stderr: string
}

/** Feeds `input` to a child and waits for its end. Never rejects: a program that cannot be started is an outcome too. */
export function outcome(child: ChildProcess, timeoutMs: number, input = ''): Promise<Outcome> {
  return new Promise((resolve) => {
    let stderr = ''
    let timedOut = false
    const timer = setTimeout(() => {
      timedOut = true
      child.kill('SIGKILL')
    }, timeoutMs)
    const finish = (status: number | string) => {
      clearTimeout(timer)
      resolve({ status: timedOut ? 'timeout' : status, stderr: stderr.trim() })
    }
    child.stdout?.resume()
    child.stderr?.setEncoding('utf8').on('data', (text) => {
      stderr = (stderr + text).slice(-8192)
    })
    child.on('error', (error: NodeJS.ErrnoException) => finish(error.code ?? error.message))
    child.on('close', (code, signal) => finish(code ?? signal ?? 'unknown'))
    // A program that ends before it has read all of its input reports that by its status.
    child.stdin?.on('error', () => {}).end(input)
  })
}

function exists(pid: number): boolean {
  // 0 and negative numbers mean process groups.
  if (!(pid > 0)) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** proc(5): field 3 is the state, field 22 the start in ticks since boot. The name in field 2 may contain anything. */
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
