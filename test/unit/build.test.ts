// The build that `npm start` and `npm test` begin with. It runs again only for files that changed or broke.
import { spawn, spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const SOURCES = {
  'package.json': '{"type": "module"}',
  'src/words.ts': "export const word = 'one'\n",
  'src/say.ts': "import { word } from './words.ts'\n\nexport const said = `it says ${word}`\n",
  'src/ui/headers.ts': "export const PAGE_HEADERS = { 'x-frame-options': 'DENY' }\n",
  'src/ui/page.ts': "document.title = 'page'\n",
  'src/ui/page.css': 'p { margin: 0 }\n',
  'src/ui/index.html': '<p>page</p>\n',
}

let tree: string
const put = (path: string, text: string) => {
  mkdirSync(dirname(join(tree, path)), { recursive: true })
  writeFileSync(join(tree, path), text)
}
const read = (path: string) => readFileSync(join(tree, path), 'utf8')
const build = () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/build.mjs'], {
    cwd: tree,
    encoding: 'utf8',
  })
  return { status, output: stdout + stderr }
}
const BUILT = { status: 0, output: '' }

/** Each file with its modification time in nanoseconds. */
const written = () =>
  ['dist', '.build'].flatMap((folder) =>
    (readdirSync(join(tree, folder), { recursive: true }) as string[])
      .map((name) => join(folder, name))
      .map((path) => `${path} ${statSync(join(tree, path), { bigint: true }).mtimeNs}`),
  )

/** Built once, and copied for each test. */
let built: string
const folder = () => mkdtempSync(join(tmpdir(), 'countersign-build-'))
const remove = (path: string) => rmSync(path, { recursive: true, force: true })

beforeAll(() => {
  built = folder()
  tree = built
  for (const [path, text] of Object.entries(SOURCES)) put(path, text)
  const own = ['build.mjs', 'build-ui.mjs'].map((name) => `scripts/${name}`)
  for (const path of [...own, 'tsconfig.json', 'tsconfig.build.json']) {
    cpSync(join(ROOT, path), join(tree, path), { recursive: true })
  }
  symlinkSync(join(ROOT, 'node_modules'), join(tree, 'node_modules'))
  expect(build()).toEqual(BUILT)
})
afterAll(() => remove(built))
beforeEach(() => {
  tree = folder()
  cpSync(built, tree, { recursive: true, verbatimSymlinks: true })
})
afterEach(() => remove(tree))

describe('a build', () => {
  it('without a change writes nothing', () => {
    const first = written()

    expect(build()).toEqual(BUILT)
    expect(written()).toEqual(first)
    expect(readdirSync(join(tree, '.build')).sort()).toEqual(['dist.tsbuildinfo', 'stamp.json'])
  })

  it('picks up a changed source, style or setting, and leaves the rest alone', () => {
    const untouched = statSync(join(tree, 'dist/ui/page.js'), { bigint: true }).mtimeNs
    put('src/words.ts', "export const word = 'two'\n")
    put('src/ui/page.css', 'p { margin: 1px }\n')

    expect(build()).toEqual(BUILT)
    expect(read('dist/words.js')).toContain('two')
    expect(read('dist/public/page.css')).toContain('1px')
    expect(statSync(join(tree, 'dist/ui/page.js'), { bigint: true }).mtimeNs).toBe(untouched)

    const settings = JSON.parse(read('tsconfig.build.json'))
    settings.compilerOptions.removeComments = true
    put('tsconfig.build.json', JSON.stringify(settings))
    put('src/words.ts', "// why\nexport const word = 'two'\n")
    expect(build()).toEqual(BUILT)
    expect(read('dist/words.js')).not.toContain('why')
  })

  it('removes the output of a removed source, and nothing that it did not write', () => {
    put('dist/worker-bundle/worker.js', 'bundle')
    rmSync(join(tree, 'src/say.ts'))

    expect(build()).toEqual(BUILT)
    expect(existsSync(join(tree, 'dist/say.js'))).toBe(false)
    expect(existsSync(join(tree, 'dist/say.d.ts'))).toBe(false)
    expect(read('dist/worker-bundle/worker.js')).toBe('bundle')
  })

  it.each([
    ['all of dist/', () => rmSync(join(tree, 'dist'), { recursive: true })],
    ['one file of it', () => rmSync(join(tree, 'dist/say.js'))],
    ['the end of a file', () => put('dist/say.js', '')],
    ['the page', () => rmSync(join(tree, 'dist/public/page.js'))],
    ['the stamp', () => rmSync(join(tree, '.build'), { recursive: true })],
    ['half of the stamp', () => put('.build/stamp.json', '{"inputs":')],
  ])('brings back %s', (_, damage) => {
    const whole = read('dist/say.js')
    damage()

    expect(build()).toEqual(BUILT)
    expect(read('dist/say.js')).toBe(whole)
    expect(read('dist/public/page.js')).toContain('document.title')
    expect(JSON.parse(read('.build/stamp.json'))).toHaveProperty('inputs')
  })

  it('with a mistake fails each time until it is fixed', () => {
    put('src/words.ts', 'export const word: number = "one"\n')
    for (const _ of [1, 2]) {
      const { status, output } = build()
      expect(status).toBe(1)
      expect(output).toContain('src/words.ts')
    }

    put('src/words.ts', SOURCES['src/words.ts'])
    expect(build()).toEqual(BUILT)
  })

  it('may run twice at once, and after a killed one', async () => {
    rmSync(join(tree, 'dist'), { recursive: true })
    const dead = spawnSync(process.execPath, ['-e', '']).pid
    put('.build/lock', String(dead))
    const codes = await Promise.all(
      [1, 2, 3].map(
        () =>
          new Promise((resolve) =>
            spawn(process.execPath, ['scripts/build.mjs'], { cwd: tree }).once('close', resolve),
          ),
      ),
    )

    expect(codes).toEqual([0, 0, 0])
    expect(read('dist/say.js')).toContain('it says')
    const first = written()
    expect(build()).toEqual(BUILT)
    expect(written()).toEqual(first)
  })
})
