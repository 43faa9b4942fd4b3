// Starts the embedded store as a separate process (store-main.mjs), so that it can be killed.
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { StoreCredentials } from '../../src/node/data-directory.ts'

const MAIN = fileURLToPath(new URL('store-main.mjs', import.meta.url))

export interface StoreProcess {
  pid: number
  url: string
  callbackPublicKeyPem: string
  /** Everything it has printed to both streams. */
  output(): string
  /** Returns the exit code; null if a signal ended it. */
  end(signal: NodeJS.Signals): Promise<number | null>
}

export async function startStoreProcess(
  directory: string,
  credentials: StoreCredentials,
): Promise<StoreProcess> {
  const child = spawn(process.execPath, [MAIN], {
    env: { PATH: process.env.PATH, STORE_OPTIONS: JSON.stringify({ directory, ...credentials }) },
    stdio: 'pipe',
  })
  let output = ''
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve))
  child.stdin.on('error', () => {})
  const line = await new Promise<string>((resolve, reject) => {
    const read = (chunk: Buffer) => {
      output += chunk.toString()
      const ready = /^\{"url".*(?=\n)/m.exec(output)
      if (ready) resolve(ready[0])
    }
    child.stdout.on('data', read)
    child.stderr.on('data', read)
    child.once('exit', (code) => reject(new Error(`The store ended with ${code}:\n${output}`)))
  })
  return {
    pid: child.pid!,
    ...(JSON.parse(line) as Pick<StoreProcess, 'url' | 'callbackPublicKeyPem'>),
    output: () => output,
    end(signal) {
      child.kill(signal)
      return ended
    },
  }
}
