// One Countersign per directory. A file names the owner by pid and start time, so that a killed owner is recognised even
// after its pid has been reused.
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
 * Locks the directory, which it creates if absent, until `release()` or the end of this process. Throws an Error with the
 * owner's pid if a living process, this one included, holds the lock. Takes over the lock of a dead owner; of several
 * processes that try at once, one succeeds.
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

/** Returns the living owner, or undefined if `self` owns `path` now. */
function take(path: string, self: Owner): Owner | undefined {
  // Written to a draft and linked, so that nobody can read half an owner.
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
 * Replaces a dead owner's lock. Removing it first would be a race: the second of two processes could remove the new lock of
 * the first. So replacing needs a lock of its own, named after the dead owner, and its holder reads the owner again.
 * Undefined if the owner has changed since.
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

/** Undefined if the file is gone. A damaged file has no living owner, so it is replaced. */
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
    // Damaged, for example by a full disk.
  }
  return { pid: 0, start: '', nonce: 'damaged' }
}
