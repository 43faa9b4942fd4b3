// A PostgreSQL that outlived a killed Countersign: recognised beyond doubt, then stopped cleanly.
// A process that is anything else is never touched, whatever `postmaster.pid` says.
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Log } from './launcher.ts'
import { commandLine, processGone, processStart } from './process.ts'

const STEPS = [
  ['SIGINT', 10_000],
  ['SIGQUIT', 10_000],
  ['SIGKILL', 10_000],
] as const

/**
 * Leaves `data` free to be started on. The caller holds the directory's lock, so a server found here has
 * no living owner. Throws when it cannot be stopped.
 */
export async function recoverOrphan(
  data: string,
  signal: (pid: number, name: NodeJS.Signals) => Promise<void> | void,
  log: Log,
): Promise<void> {
  const pid = readPid(data)
  if (pid === undefined) return
  const start = processStart(pid)
  const command = start && commandLine(pid)
  // Not to be known: PostgreSQL decides, and refuses to start where it must.
  if (start && command === undefined) return
  if (!start || !command || !isServerOf(data, command)) {
    // PostgreSQL would take a zombie, or a process that has got the old pid, for a running server. Should
    // anything of the old server still be at work, the shared memory it holds makes PostgreSQL refuse.
    log('debug', 'removed a stale postmaster.pid', { data, pid })
    return rmSync(join(data, 'postmaster.pid'), { force: true })
  }

  log('warn', 'stopping the PostgreSQL that a killed countersign left behind', { data, pid })
  for (const [name, limitMs] of STEPS) {
    await signal(pid, name)
    if (await processGone(pid, start, limitMs)) return
  }
  throw new Error(`an abandoned PostgreSQL (pid ${pid}) on ${data} could not be stopped`)
}

/** The command line that it was given: `…/postgres -D <data> -c …`, or `--single` while it was prepared. */
function isServerOf(data: string, command: string): boolean {
  const [program = ''] = command.split(' -D ', 1)
  return /postgres( --single)?$/.test(program) && `${command} `.includes(` -D ${data} `)
}

/** Undefined without a file; 0 when it was not written to its end. A single-user server notes its pid negated. */
function readPid(data: string): number | undefined {
  try {
    const pid = Number.parseInt(readFileSync(join(data, 'postmaster.pid'), 'utf8'), 10)
    return Math.abs(pid) || 0
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
