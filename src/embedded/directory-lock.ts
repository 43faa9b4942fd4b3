// One Countersign per directory: a file names the owner by pid and start time, so that an owner that was
// killed is told from one that lives, even when its pid has been given to another process.
import { randomBytes } from 'node:crypto'
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isRunning, processStart, UNKNOWN_START } from './postgres/process.ts'

interface Owner {
  pid: number
  start: string
  nonce: string
}

/**
 * Takes the directory (made if it is not there) until `release()` or the end of this process. Throws an
 * Error that names the owner's pid when another living process, or this one, holds it already. The lock
 * of a dead owner is taken over; of several that try at once, one gets it.
 */
export async function lockDirectory(directory: string): Promise<{ release(): void }> {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const path = join(directory, 'countersign.lock')
  const self: Owner = {
    pid: process.pid,
    start: processStart(process.pid) ?? UNKNOWN_START,
    nonce: randomBytes(8).toString('hex'),
  }

  const owner = take(path, self)
  if (owner) {
    throw new Error(
      `another countersign (pid ${owner.pid}) is using ${directory}; stop it or choose another DATA_DIR`,
    )
  }
  return {
    release() {
      if (read(path)?.nonce === self.nonce) rmSync(path, { force: true })
    },
  }
}

/** Undefined when `self` owns `path` now, else its living owner. */
function take(path: string, self: Owner): Owner | undefined {
  // Written aside and linked: the lock appears at once and whole, so nobody can read half an owner.
  const draft = `${path}.${self.nonce}`
  writeFileSync(draft, JSON.stringify(self), { flag: 'wx', mode: 0o600 })
  try {
    while (!link(draft, path)) {
      const owner = read(path)
      if (!owner) continue
      if (isRunning(owner.pid, owner.start)) return owner
      const rival = replaceDead(path, owner, draft, self)
      if (rival === 'replaced') return undefined
      if (rival) return rival
    }
    return undefined
  } finally {
    rmSync(draft, { force: true })
  }
}

/**
 * Replaces a dead owner's lock. Removing it would be a race (of two takers the second removes the first
 * one's new lock), so the right to replace is itself a lock, named after the dead owner; whoever has it
 * looks again. Undefined when the lock has changed hands meanwhile.
 */
function replaceDead(path: string, dead: Owner, draft: string, self: Owner) {
  const turn = `${path}.after-${dead.nonce}`
  const rival = take(turn, { ...self, nonce: randomBytes(8).toString('hex') })
  if (rival) return rival
  try {
    if (read(path)?.nonce !== dead.nonce) return undefined
    renameSync(draft, path)
    return 'replaced' as const
  } finally {
    rmSync(turn, { force: true })
  }
}

function link(from: string, to: string): boolean {
  try {
    linkSync(from, to)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

/** Undefined when the file is gone. One that we cannot have written is nobody's, and is replaced. */
function read(path: string): Owner | undefined {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  try {
    const { pid, start, nonce } = JSON.parse(text)
    if (Number.isSafeInteger(pid) && pid > 0 && typeof start === 'string' && /^\w+$/.test(nonce)) {
      return { pid, start, nonce }
    }
  } catch {
    // Falls through: damaged, for example by a full disk.
  }
  return { pid: 0, start: '', nonce: 'damaged' }
}
