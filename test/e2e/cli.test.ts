// `countersign upload` against the real service: whole uploads, and both sides killed at the half.
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { someBytes } from '../support/harness.ts'
import { type Service, startService } from '../support/service.ts'

const CLI = fileURLToPath(new URL('../../bin/countersign.js', import.meta.url))
const MiB = 1024 * 1024
const PART = MiB
const SIZE = 24 * MiB

let service: Service
let folder: string
let file: string
const bytes = someBytes(SIZE)

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-cli-'))
  file = join(folder, 'film.bin')
  await writeFile(file, bytes)
  service = await startService()
})
afterAll(async () => {
  await service.stop()
  await rm(folder, { recursive: true, force: true })
})

interface Run {
  child: ChildProcess
  output(): string
  exited: Promise<number | null>
  /** Resolves when the output matches. */
  until(pattern: RegExp): Promise<void>
}

function countersign(...args: string[]): Run {
  const child = spawn(process.execPath, [CLI, ...args], {
    env: { PATH: process.env.PATH, DATA_DIR: service.dataDir, XDG_STATE_HOME: folder },
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
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve))
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
  }
}

async function get(path: string): Promise<Response> {
  return fetch(`${service.url}${path}`, {
    headers: { authorization: `Bearer ${service.apiKey}` },
  })
}

const sha256 = (content: Uint8Array) => createHash('sha256').update(content).digest('hex')

async function expectStored(id: string): Promise<void> {
  const back = new Uint8Array(await (await get(`/v1/uploads/${id}/object`)).arrayBuffer())
  expect(sha256(back)).toBe(sha256(bytes))
}

it('uploads a file and prints its key, size and id', async () => {
  const run = countersign('upload', file, '--part-size', String(PART), '--json')

  expect(await run.exited, run.output()).toBe(0)
  const result = JSON.parse(run.output().trim().split('\n').at(-1)!)
  expect(result).toMatchObject({ sizeBytes: SIZE })
  expect(result.key).toMatch(/^demo-[0-9a-f]{8}\/cli\/upl_[0-9a-f]{32}\/film\.bin$/)
  await expectStored(result.id)
})

it('says what is wrong in a line, and exits 1 or 2', async () => {
  const missing = countersign('upload', join(folder, 'nope'))
  expect(await missing.exited).toBe(1)
  expect(missing.output()).toContain('There is no file')

  const wrong = countersign('upload', file, '--key', 'csk_wrong')
  expect(await wrong.exited).toBe(1)
  expect(wrong.output()).toContain('Not uploaded (unauthenticated)')

  const usage = countersign('upload', file, '--parallel', 'many')
  expect(await usage.exited).toBe(2)
})

it.each(['SIGINT', 'SIGKILL'] as const)(
  'stopped by %s at the half, it goes on with only the missing parts',
  async (signal) => {
    const half = join(folder, `half-${signal}.bin`)
    await writeFile(half, bytes)
    // The half is reached when twelve parts are stored: the progress says so in its lines.
    const first = countersign('upload', half, '--part-size', String(PART), '--parallel', '1')
    await first.until(/ (5\d|6\d)% /)
    first.child.kill(signal)
    const code = await first.exited
    if (signal === 'SIGINT') {
      expect(code).toBe(130)
      expect(first.output()).toContain('npx countersign resume')
    }

    const second = countersign('resume', half, '--json')
    expect(await second.exited, second.output()).toBe(0)

    expect(second.output()).toContain('Continuing upl_')
    const result = JSON.parse(second.output().trim().split('\n').at(-1)!)
    const started = Number(/(\d+)% /.exec(second.output())?.[1])
    expect(started).toBeGreaterThanOrEqual(50)
    await expectStored(result.id)
  },
)

it('outlives the service: killed at the half and started again, only missing parts are sent', async () => {
  const half = join(folder, 'service-killed.bin')
  await writeFile(half, bytes)
  const first = countersign('upload', half, '--part-size', String(PART), '--parallel', '1')
  await first.until(/ (5\d|6\d)% /)
  await service.kill()
  first.child.kill('SIGKILL')
  await first.exited
  service = await startService({ dataDir: service.dataDir })

  const second = countersign('upload', half, '--part-size', String(PART), '--json')
  expect(await second.exited, second.output()).toBe(0)

  expect(second.output()).toContain('Continuing upl_')
  expect(Number(/(\d+)% /.exec(second.output())?.[1])).toBeGreaterThanOrEqual(50)
  await expectStored(JSON.parse(second.output().trim().split('\n').at(-1)!).id)
})
