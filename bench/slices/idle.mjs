// A slice: the service in embedded mode without a build, on a folder that it has started in before. `start` is the time until it
// is ready in seconds, `memory` the resident memory of its own process in MiB after it was idle for three seconds.
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const IDLE_MS = 3000
const READY_MS = 120_000
const directory = await mkdtemp(join(tmpdir(), 'countersign-bench-'))

async function start() {
  const began = performance.now()
  const child = spawn(
    process.execPath,
    [fileURLToPath(new URL('../../dist/node.js', import.meta.url)), '--no-sample'],
    {
      env: { PATH: process.env.PATH, HOME: process.env.HOME, PORT: '0', DATA_DIR: directory },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  let output = ''
  await new Promise((resolve, reject) => {
    const read = (chunk) => {
      output += chunk
      if (output.includes('Countersign ready at')) resolve()
    }
    child.stdout.on('data', read)
    child.stderr.on('data', read)
    child.once('exit', () => reject(new Error(output)))
    setTimeout(() => reject(new Error(`not ready in time:\n${output}`)), READY_MS).unref()
  })
  return { child, seconds: (performance.now() - began) / 1000 }
}

async function stop(child) {
  child.kill('SIGTERM')
  await new Promise((resolve) => child.once('exit', resolve))
}

try {
  await stop((await start()).child)
  const { child, seconds } = await start()
  await delay(IDLE_MS)
  const kib = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))[1])
  await stop(child)
  console.log(JSON.stringify({ value: process.argv[2] === 'start' ? seconds : kib / 1024 }))
} finally {
  await rm(directory, { recursive: true, force: true })
}
