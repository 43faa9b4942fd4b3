// The bundle that `wrangler deploy` would send: its size, and that it evaluates no text as code, which workerd refuses.
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

/** Names that evaluate text as code, and the way to them through a function's constructor. */
const MAKES_CODE = /(?<![\w$])(?:eval|Function)(?![\w$])|\.constructor\s*\(/

/** For each file, the lines that may contain such a name, and why each is harmless. */
const HARMLESS: Record<string, string[]> = {
  // A probe whether evaluation is allowed. It checks the user agent first and does not run on Workers.
  'node_modules/zod/v4/core/util.js': ['const F = Function;'],
  // Runs only where evaluation is allowed.
  'node_modules/zod/v4/core/doc.js': ['const F = Function;'],
  // Only called by `z.compile`, which nobody calls.
  'node_modules/zod/v4/core/compile.js': ['const F = Function;'],
  // Words in messages.
  'node_modules/zod/v4/core/json-schema-processors.js': [
    'handleUnrepresentable(schema, ctx, json, params, "Function types cannot be represented in JSON Schema");',
  ],
  'node_modules/tslib/tslib.es6.mjs': [
    'function accept(f) { if (f !== void 0 && typeof f !== "function") throw new TypeError("Function expected"); return f; }',
  ],
  // Copies an instance of its own class.
  'node_modules/@asteasolutions/zod-to-openapi/dist/index.mjs': [
    'const result = new this.constructor(this._def);',
  ],
}

it('makes no code from text: workerd refuses that, and zod alone holds such code, for where it may', async () => {
  const found: Record<string, string[]> = {}
  for (const path of Object.keys(metafile.inputs)) {
    const lines = withoutComments(await readFile(join(ROOT, path), 'utf8')).split('\n')
    const suspects = lines.filter((line) => MAKES_CODE.test(line)).map((line) => line.trim())
    if (suspects.length) found[path] = suspects
  }

  expect(Object.keys(metafile.inputs).length).toBeGreaterThan(200)
  expect(found).toEqual(HARMLESS)
  expect(modules.get('worker.js')!.toString()).toMatch(
    /"Cloudflare-Workers"\?\.includes\("Cloudflare"\)/,
  )
})

it.each([
  "Function('return 1')()",
  "(0, eval)('1')",
  'const make = Function',
  "new globalThis.Function('')",
  "(() => {}).constructor('return 1')",
])('would find %s', (code) => {
  expect(MAKES_CODE.test(code)).toBe(true)
})

const withoutComments = (text: string) =>
  text.replaceAll(/\/\*.*?\*\//gs, '').replaceAll(/^\s*\/\/.*$/gm, '')
