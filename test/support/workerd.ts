// Runs the Worker in a real workerd: `wrangler dev` offline, with a local PostgreSQL as its Hyperdrive binding.
import { type ChildProcess, spawn } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from './ports.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
export const WRANGLER = join(ROOT, 'node_modules/wrangler/bin/wrangler.js')

/** Keeps wrangler quiet and offline. */
export const OFFLINE = {
  CI: 'true',
  WRANGLER_SEND_METRICS: 'false',
  WRANGLER_SEND_ERROR_REPORTS: 'false',
  CLOUDFLARE_CF_FETCH_ENABLED: 'false',
}

/** The local Hyperdrive of `wrangler dev` handles no socket errors, so a reset connection would end the process. */
const SURVIVE_RESETS = `import { Socket } from 'node:net'
const { emit } = Socket.prototype
Socket.prototype.emit = function (name, ...rest) {
  return name === 'error' && !this.listenerCount(name) ? false : emit.call(this, name, ...rest)
}`

const SCHEDULE = '/__scheduled'

/**
 * The Worker of a wrangler.toml, with its schedule behind a path as in `wrangler dev --test-scheduled`. Here the time is a
 * parameter, so that the result does not depend on whether the tests run on the full hour.
 */
async function withSchedule(config: string, directory: string): Promise<string> {
  const main = /^main = "(.+)"$/m.exec(await readFile(config, 'utf8'))![1]!
  const path = join(directory, 'scheduled.mjs')
  await writeFile(
    path,
    `import worker from ${JSON.stringify(resolve(dirname(config), main))}
export default {
  ...worker,
  async fetch(request, bindings, lifetime) {
    const { pathname, searchParams } = new URL(request.url)
    if (pathname !== '${SCHEDULE}') return worker.fetch(request, bindings, lifetime)
    const scheduledTime = Number(searchParams.get('time'))
    await worker.scheduled({ scheduledTime, cron: '* * * * *' }, bindings, lifetime)
    return new Response('over')
  },
}
`,
  )
  return path
}

export interface WorkerOptions {
  /** Folder for wrangler's own state and logs. */
  directory: string
  databaseUrl: string
  variables: Record<string, string>
  cwd?: string
  /** The wrangler.toml to use; by default the one in `cwd`, which is by default the project's root. */
  config?: string
  port?: number
}

export interface Workerd {
  url: string
  output(): string
  /** Runs the schedule, and resolves when the run ends. By default the time is not the full hour. */
  runSchedule(options?: { fullHour?: boolean }): Promise<Response>
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>
}

/** Hyperdrive requires a password in the URL, even if it is unused. */
function withPassword(text: string): string {
  const url = new URL(text)
  url.password ||= 'unused'
  return url.href
}

export async function startWorkerd(options: WorkerOptions): Promise<Workerd> {
  const port = options.port ?? (await freePort())
  const url = `http://127.0.0.1:${port}`
  const cwd = options.cwd ?? ROOT
  const config = options.config ?? join(cwd, 'wrangler.toml')
  const child = spawn(
    process.execPath,
    [
      `--import=data:text/javascript,${encodeURIComponent(SURVIVE_RESETS)}`,
      WRANGLER,
      'dev',
      await withSchedule(config, options.directory),
      `--config=${config}`,
      '--ip=127.0.0.1',
      `--port=${port}`,
      '--inspector-port=0',
      '--show-interactive-dev-session=false',
      `--persist-to=${join(options.directory, 'state')}`,
      ...Object.entries(options.variables).flatMap(([name, value]) => [
        '--var',
        `${name}:${value}`,
      ]),
    ],
    {
      cwd,
      // A separate process group, because workerd is a child of wrangler.
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
    runSchedule({ fullHour = false } = {}) {
      const time = new Date().setUTCMinutes(fullHour ? 0 : 30, 0, 0)
      return fetch(`${url}${SCHEDULE}?time=${time}`)
    },
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
