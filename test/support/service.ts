// Runs the real entry point, `node dist/node.js`, as a separate process on free ports and in a new folder.
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ENTRY = fileURLToPath(new URL('../../dist/node.js', import.meta.url))

export interface Service {
  url: string
  storeUrl: string
  dataDir: string
  apiKey: string
  appId: string
  adminKey: string
  process: ChildProcess
  /** Everything it has printed to both streams. */
  output(): string
  /** Sends SIGTERM and returns the exit code. Keeps the folder unless `remove` is set. */
  stop(options?: { remove?: boolean }): Promise<number | null>
  /** Sends SIGKILL. */
  kill(): Promise<void>
}

export interface ServiceOptions {
  /** The folder of an earlier run. */
  dataDir?: string
  environment?: Record<string, string>
  arguments?: string[]
  /** A command that ends by running the service, so that the limits it sets apply to the service. */
  under?: string[]
}

export async function startService(options: ServiceOptions = {}): Promise<Service> {
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'countersign-test-')))
  const [program, ...words] = [
    ...(options.under ?? []),
    process.execPath,
    ENTRY,
    ...(options.arguments ?? ['--no-sample']),
  ]
  const child = spawn(program!, words, {
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      PORT: '0',
      DATA_DIR: dataDir,
      LOG_LEVEL: 'info',
      ...options.environment,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve))
  const url = await new Promise<string>((resolve, reject) => {
    const read = (chunk: Buffer) => {
      output += chunk.toString()
      const ready = /Countersign ready at (\S+)/.exec(output)
      if (ready) resolve(ready[1]!)
    }
    child.stdout.on('data', read)
    child.stderr.on('data', read)
    child.once('exit', (code, signal) =>
      reject(new Error(`The service ended with ${code ?? signal}:\n${output}`)),
    )
  })
  const json = async (name: string) =>
    JSON.parse(await readFile(join(dataDir, name), 'utf8').catch(() => '{}'))
  const [cli, store, keys] = await Promise.all([
    json('cli.json'),
    json('store.json'),
    json('keys.json'),
  ])
  return {
    url,
    storeUrl: store.endpoint,
    dataDir,
    apiKey: cli.apiKey,
    appId: cli.appId,
    adminKey: options.environment?.ADMIN_KEY ?? keys.adminKey,
    process: child,
    output: () => output,
    async stop({ remove = true } = {}) {
      child.kill('SIGTERM')
      const code = await exited
      if (remove) await rm(dataDir, { recursive: true, force: true })
      return code
    },
    async kill() {
      child.kill('SIGKILL')
      await exited
    },
  }
}
