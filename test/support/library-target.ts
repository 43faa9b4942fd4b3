// Another server with Countersign mounted at /uploads, as a target of the shared suite: a separate process, a new database,
// and an embedded store in this process that acts as OSS.
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Target } from '../e2e/suite.ts'
import { freePort } from './ports.ts'
import { freshDatabase } from './postgres.ts'
import { ADMIN_KEY, startStore, storeVariables } from './worker-target.ts'

export interface LibraryTarget extends Target {
  /** Root URL of the server. */
  origin: string
}

/** `script` listens on PORT and mounts at /uploads. */
export async function startLibraryTarget(cwd: string, script: string): Promise<LibraryTarget> {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-library-'))
  const fresh = await freshDatabase()
  const store = await startStore(join(directory, 'store'))
  const port = await freePort()
  const origin = `http://127.0.0.1:${port}`
  const environment = {
    ...storeVariables(store),
    DATABASE_URL: fresh.serviceUrl,
    PUBLIC_URL: `${origin}/uploads`,
    PORT: String(port),
  }
  let child: ChildProcess
  let output = ''

  async function start(): Promise<void> {
    child = spawn(process.execPath, [script], {
      cwd,
      env: { PATH: process.env.PATH, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.on('data', (chunk) => {
        output += chunk
      })
    }
    const ended = new Promise<never>((_, reject) => {
      child.once('exit', () => reject(new Error(`${script} ended:\n${output}`)))
    })
    const answers = async () => {
      while (!(await fetch(`${origin}/uploads/healthz`).catch(() => undefined))?.ok) {
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    }
    await Promise.race([answers(), ended])
  }

  async function end(signal: NodeJS.Signals): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise((resolve) => child.once('close', resolve))
    child.kill(signal)
    await ended
  }

  await start()
  return {
    origin,
    url: `${origin}/uploads`,
    adminKey: ADMIN_KEY,
    kill: () => end('SIGKILL'),
    restart: start,
    // The server's own timers do the work.
    tick: () => new Promise((resolve) => setTimeout(resolve, 100)),
    output: () => output,
    async stop() {
      await end('SIGTERM')
      await store.close()
      await fresh.drop()
      await rm(directory, { recursive: true, force: true })
    },
  }
}
