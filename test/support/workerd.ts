// The Worker in a real workerd: `wrangler dev` offline, its Hyperdrive binding a local PostgreSQL.
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from './ports.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
export const WRANGLER = join(ROOT, 'node_modules/wrangler/bin/wrangler.js')

/** Quiet, and no request to anywhere. */
export const OFFLINE = {
  CI: 'true',
  WRANGLER_SEND_METRICS: 'false',
  WRANGLER_SEND_ERROR_REPORTS: 'false',
  CLOUDFLARE_CF_FETCH_ENABLED: 'false',
}

/** The local Hyperdrive of `wrangler dev` listens to no error of its sockets, so a reset one would end it all. */
const SURVIVE_RESETS = `import { Socket } from 'node:net'
const { emit } = Socket.prototype
Socket.prototype.emit = function (name, ...rest) {
  return name === 'error' && !this.listenerCount(name) ? false : emit.call(this, name, ...rest)
}`

export interface WorkerOptions {
  /** Of wrangler's own: state, logs. */
  directory: string
  databaseUrl: string
  variables: Record<string, string>
  /** Where wrangler.toml is; the project's own unless given. */
  cwd?: string
  arguments?: string[]
  port?: number
}

export interface Workerd {
  url: string
  output(): string
  /** The schedule's turn; resolves when the run is over. */
  runSchedule(): Promise<Response>
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>
}

/** Hyperdrive insists on a password in the URL, even an unused one. */
function withPassword(text: string): string {
  const url = new URL(text)
  url.password ||= 'unused'
  return url.href
}

export async function startWorkerd(options: WorkerOptions): Promise<Workerd> {
  const port = options.port ?? (await freePort())
  const url = `http://127.0.0.1:${port}`
  const child = spawn(
    process.execPath,
    [
      `--import=data:text/javascript,${encodeURIComponent(SURVIVE_RESETS)}`,
      WRANGLER,
      'dev',
      '--ip=127.0.0.1',
      `--port=${port}`,
      '--inspector-port=0',
      '--show-interactive-dev-session=false',
      '--test-scheduled',
      `--persist-to=${join(options.directory, 'state')}`,
      ...Object.entries(options.variables).flatMap(([name, value]) => [
        '--var',
        `${name}:${value}`,
      ]),
      ...(options.arguments ?? []),
    ],
    {
      cwd: options.cwd ?? ROOT,
      // A process group of its own, since workerd is a child of wrangler.
      detached: true,
      env: {
        PATH: process.env.PATH,
        HOME: options.directory,
        ...OFFLINE,
        CLOUDFLARE_HYPERDRIVE_LOCAL_CONNECTION_STRING_HYPERDRIVE: withPassword(options.databaseUrl),
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  let output = ''
  await ready(child, (chunk) => {
    output += chunk
    return output
  })
  let ending = false
  child.once('exit', (code) => {
    if (!ending) console.error(`wrangler ended with ${code} by itself:\n${output.slice(-4000)}`)
  })
  return {
    url,
    output: () => output,
    runSchedule: () => fetch(`${url}/__scheduled?cron=*+*+*+*+*`),
    async end(signal) {
      if (child.exitCode !== null || child.signalCode !== null) return
      ending = true
      const ended = new Promise((resolve) => child.once('close', resolve))
      process.kill(-child.pid!, signal)
      await ended
    },
  }
}

function ready(child: ChildProcess, keep: (chunk: string) => string): Promise<void> {
  return new Promise((resolve, reject) => {
    let output = ''
    const read = (chunk: Buffer) => {
      output = keep(chunk.toString())
      if (/Ready on/.test(output)) resolve()
    }
    child.stdout!.on('data', read)
    child.stderr!.on('data', read)
    child.once('exit', () => reject(new Error(`wrangler ended:\n${output}`)))
  })
}
