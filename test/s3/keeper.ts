// A temporary folder and the programs of a store server in it. Both are gone when `end` is called or this process dies, even by
// SIGKILL.
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'

const READY_MS = 90_000
const POLL_MS = 50
const PROBE_MS = 2_000

export interface Program {
  name: string
  command: string
  args: string[]
  env?: Record<string, string>
}

export async function startKeeper(prefix: string) {
  const folder = await mkdtemp(join(tmpdir(), `countersign-${prefix}-`))
  const script = new URL('keeper.mjs', import.meta.url).pathname
  // Detached, so that Ctrl-C reaches only the test run.
  const child = spawn(process.execPath, [script, folder], {
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true,
  })
  const gone = new Promise((resolve) => child.once('close', resolve))
  child.stdin.on('error', () => {})
  let ended: { name: string; ended: string } | undefined
  createInterface({ input: child.stdout }).on('line', (line) => {
    ended ??= JSON.parse(line)
  })

  const output = (name: string) => {
    const path = join(folder, `${name}.out`)
    return existsSync(path) ? readFileSync(path, 'utf8').slice(-4_000) : ''
  }

  return {
    folder,
    start: (program: Program): void => void child.stdin.write(`${JSON.stringify(program)}\n`),

    /** Waits until something answers at the URL, and fails as soon as a program has ended. */
    async answering(url: string, by: string): Promise<void> {
      const until = performance.now() + READY_MS
      while (performance.now() < until) {
        if (ended) throw new Error(`${ended.name} ended (${ended.ended}):\n${output(ended.name)}`)
        const answer = await fetch(url, { signal: AbortSignal.timeout(PROBE_MS) }).catch(() => null)
        await answer?.arrayBuffer()
        if (answer) return
        await delay(POLL_MS)
      }
      throw new Error(`${by} does not answer after ${READY_MS / 1000} s:\n${output(by)}`)
    },

    async end(): Promise<void> {
      child.stdin.end()
      await gone
    },
  }
}
