// What `wrangler deploy` would send: its size, and that it makes no code from text, which workerd refuses.
import { execFileSync } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { OFFLINE, WRANGLER } from '../support/workerd.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const MOST_BYTES = 350 * 1024

let folder: string
let metafile: { inputs: Record<string, unknown> }
const modules = new Map<string, Buffer>()

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-bundle-'))
  const report = join(folder, 'meta.json')
  const flags = ['--dry-run', `--outdir=${folder}`, `--metafile=${report}`]
  execFileSync(process.execPath, [WRANGLER, 'deploy', ...flags], {
    cwd: ROOT,
    env: { PATH: process.env.PATH, HOME: folder, ...OFFLINE },
  })
  metafile = JSON.parse(await readFile(report, 'utf8'))
  for (const name of await readdir(folder)) {
    if (/\.(js|mjs|wasm)$/.test(name)) modules.set(name, await readFile(join(folder, name)))
  }
})
afterAll(() => rm(folder, { recursive: true, force: true }))

it('has at most 350 KB gzipped', () => {
  const sizes = [...modules].map(([name, content]) => [name, gzipSync(content).length] as const)

  expect(sizes.map(([name]) => name)).toContain('worker.js')
  const total = sizes.reduce((sum, [, size]) => sum + size, 0)
  expect(total, JSON.stringify(sizes)).toBeLessThanOrEqual(MOST_BYTES)
})

it('makes no code from text: workerd refuses that, and zod alone holds such code, for where it may', async () => {
  const makesCode = /\beval\s*\(|new Function\b|=\s*Function\b/
  const suspects: string[] = []
  let read = 0
  for (const path of Object.keys(metafile.inputs)) {
    const text = await readFile(join(ROOT, path), 'utf8').catch(() => '')
    if (text) read++
    if (makesCode.test(withoutComments(text))) suspects.push(path)
  }

  expect(read).toBeGreaterThan(200)
  expect(suspects.filter((path) => !path.startsWith('node_modules/zod/v4/core/'))).toEqual([])
  // It asks by the user agent, before it tries.
  expect(modules.get('worker.js')!.toString()).toMatch(
    /"Cloudflare-Workers"\?\.includes\("Cloudflare"\)/,
  )
})

const withoutComments = (text: string) =>
  text.replaceAll(/\/\*.*?\*\//gs, '').replaceAll(/^\s*\/\/.*$/gm, '')
