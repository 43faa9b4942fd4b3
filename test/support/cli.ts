// Runs the command line as a separate process and reads its output as it arrives.
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const CLI = fileURLToPath(new URL('../../bin/countersign.js', import.meta.url))

export interface Run {
  child: ChildProcess
  /** Both streams. */
  output(): string
  exited: Promise<number | null>
  /** Resolves when the output matches. */
  until(pattern: RegExp): Promise<void>
  /** The last line: with `--json`, the result. */
  result(): { id: string; key: string; sizeBytes: number }
}

export function countersign(environment: Record<string, string>, ...args: string[]): Run {
  const child = spawn(process.execPath, [CLI, ...args], {
    env: { PATH: process.env.PATH, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  const waiting: Array<() => void> = []
  const read = (chunk: Buffer) => {
    output += chunk.toString()
    for (const look of waiting) look()
  }
  child.stdout.on('data', read)
  child.stderr.on('data', read)
  const exited = new Promise<number | null>((resolve) => child.once('close', resolve))
  return {
    child,
    output: () => output,
    exited,
    until: (pattern) =>
      new Promise((resolve, reject) => {
        const look = () => pattern.test(output) && resolve()
        waiting.push(look)
        look()
        void exited.then(() => reject(new Error(`ended without ${pattern}:\n${output}`)))
      }),
    result: () => JSON.parse(output.trim().split('\n').at(-1)!),
  }
}
