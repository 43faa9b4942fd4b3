// Stops a PostgreSQL that outlived a killed Countersign. Its command line must name our data folder: no other process is
// ever touched, whatever `postmaster.pid` says.
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Log } from '../../core/ports/log.ts'
import { commandLine, processGone, processStart, STOP_LIMIT_MS, STOP_SIGNALS } from './process.ts'

/**
 * Frees `data` for a start. The caller holds the directory's lock, so a server found here has no living owner. Throws if it
 * cannot be stopped.
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
  // The system does not show the command line, so PostgreSQL itself decides whether it can start.
  if (start && command === undefined) return
  if (!start || !command || !isServerOf(data, command)) {
    // PostgreSQL takes a zombie, or a process that reuses the pid, for a running server. If a child of the old server still
    // runs, PostgreSQL refuses to start because of its shared memory.
    log('debug', 'removed a stale postmaster.pid', { data, pid })
    return rmSync(join(data, 'postmaster.pid'), { force: true })
  }

  log('warn', 'stopping the PostgreSQL that a killed countersign left behind', { data, pid })
  for (const name of STOP_SIGNALS) {
    await signal(pid, name)
    if (await processGone(pid, start, STOP_LIMIT_MS)) return
  }
  throw new Error(`an abandoned PostgreSQL (pid ${pid}) on ${data} could not be stopped`)
}

/** Our own command lines: `…/postgres -D <data> -c …`, or `…/postgres --single -D <data> …` during preparation. */
function isServerOf(data: string, command: string): boolean {
  const [program = ''] = command.split(' -D ', 1)
  return /postgres( --single)?$/.test(program) && `${command} `.includes(` -D ${data} `)
}

/** Undefined without a file, 0 for one that is incomplete. A single-user server writes its pid negated. */
function readPid(data: string): number | undefined {
  try {
    const pid = Number.parseInt(readFileSync(join(data, 'postmaster.pid'), 'utf8'), 10)
    return Math.abs(pid) || 0
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
