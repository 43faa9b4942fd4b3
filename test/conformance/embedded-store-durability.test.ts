// Durability of the embedded store under kills, cuts and races: each change has one winner, and leaves the old state or the
// new one.
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { cp, mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { describe, expect, test } from 'vitest'
import { startEmbeddedStore } from '../../src/embedded/store/index.ts'
import { BUCKET, CREDENTIALS, useEmbeddedStore } from '../support/embedded-store.ts'

const context = useEmbeddedStore()
const MIN_PART = 102_400

const entries = (name: string) => readdir(join(context.directory, name))
const statuses = (answers: Array<{ status: number; code?: string }>) =>
  answers.map(({ status, code }) => code ?? status).sort()

describe('reopening', () => {
  test('finds objects, open uploads, parts and the callback key', async () => {
    const key = 'ü/../a b'
    await context.call('PUT', key, { body: 'x', headers: { 'x-oss-meta-a': 'ü' } })
    const uploadId = await context.initiate('big', { 'content-type': 'a/b' })
    await context.uploadPart('big', uploadId, 1, randomBytes(MIN_PART))
    await context.uploadPart('big', uploadId, 2, 'last')
    const pem = context.store.callbackPublicKeyPem

    await context.restart()

    const got = await context.call('GET', key)
    expect(got.text).toBe('x')
    expect(Buffer.from(String(got.headers['x-oss-meta-a']), 'latin1').toString()).toBe('ü')
    expect(context.store.callbackPublicKeyPem).toBe(pem)
    expect((await context.complete('big', uploadId)).status).toBe(200)
    expect((await context.call('HEAD', 'big')).headers['content-type']).toBe('a/b')
  })

  test('removes only what a kill left behind', async () => {
    await context.call('PUT', 'a', { body: 'kept' })
    const uploadId = await context.initiate('big')
    await context.uploadPart('big', uploadId, 1, 'part')
    await context.store.close()
    const at = (...names: string[]) => join(context.directory, ...names)
    await writeFile(at('data', 'F'.repeat(32)), 'half a body')
    await writeFile(at('objects', 'x.json.1.tmp'), '{"half"')
    await writeFile(at('uploads', uploadId, '2.json.1.tmp'), '{')
    await mkdir(at('uploads', 'E'.repeat(32)))

    await context.start()

    expect(await entries('data')).toHaveLength(2)
    expect(await entries('objects')).toHaveLength(1)
    expect(await entries('uploads')).toEqual([uploadId])
    expect((await readdir(at('uploads', uploadId))).sort()).toEqual(['1.json', 'upload.json'])
    expect((await context.call('GET', 'a')).text).toBe('kept')
    expect((await context.complete('big', uploadId)).status).toBe(200)
  })

  test('counts an upload as completed when the kill came right after its object was written', async () => {
    const uploadId = await context.initiate('big')
    await context.uploadPart('big', uploadId, 1, 'part')
    const folder = join(context.directory, 'uploads', uploadId)
    const saved = join(context.directory, 'saved')
    await cp(folder, saved, { recursive: true })
    await context.complete('big', uploadId)
    await context.store.close()
    await cp(saved, folder, { recursive: true })

    await context.start()

    expect((await context.complete('big', uploadId)).code).toBe('NoSuchUpload')
    expect((await context.call('GET', 'big')).text).toBe('part')
    expect(await entries('uploads')).toEqual([])
  })

  test('keeps all data when a manifest cannot be read', async () => {
    await context.call('PUT', 'a', { body: 'x' })
    const [name] = await entries('objects')
    await context.store.close()
    await writeFile(join(context.directory, 'objects', name!), '{')

    await context.start()

    expect(await entries('data')).toHaveLength(1)
    expect(context.lines.join()).toContain('unreadable object manifest')
    expect((await context.call('PUT', 'b', { body: 'y' })).status).toBe(200)
  })

  test('a directory belongs to one store at a time, and to its owner only', async () => {
    const second = context.start()

    await expect(second).rejects.toThrow('is in use by the embedded store')
    const mode = async (path: string) => (await stat(join(context.directory, path))).mode & 0o777
    expect(await mode('')).toBe(0o700)
    expect(await mode('callback-key.pem')).toBe(0o600)
  })

  test('a taken port is refused, or replaced by a free one', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'countersign-store-'))
    const options = {
      directory,
      host: '127.0.0.1',
      port: context.store.port,
      bucket: BUCKET,
      region: 'local',
      ...CREDENTIALS,
      clock: () => new Date(),
      fetch,
      log: () => {},
    }

    await expect(startEmbeddedStore(options)).rejects.toMatchObject({ code: 'EADDRINUSE' })
    const other = await startEmbeddedStore({ ...options, orFreePort: true })
    await other.close()
    await rm(directory, { recursive: true })

    expect(other.port).not.toBe(context.store.port)
  })
})

describe('races', () => {
  test('of completions have one winner', async () => {
    const uploadId = await context.initiate('a')
    await context.uploadPart('a', uploadId, 1, 'x')

    const answers = await Promise.all(
      Array.from({ length: 8 }, () => context.complete('a', uploadId)),
    )

    expect(statuses(answers)).toEqual([200, ...Array(7).fill('NoSuchUpload')])
  })

  test('of completion and abort leave the object or nothing', async () => {
    for (let round = 0; round < 10; round++) {
      const uploadId = await context.initiate('a')
      await context.uploadPart('a', uploadId, 1, 'x')
      const abort = () => context.call('DELETE', 'a', { query: { uploadId } })
      const complete = () => context.complete('a', uploadId)

      const answers = await Promise.all(round % 2 ? [abort(), complete()] : [complete(), abort()])

      const winner = answers.find(({ code }) => !code)!
      expect(answers.filter(({ code }) => code === 'NoSuchUpload')).toHaveLength(1)
      expect((await context.call('GET', 'a')).status).toBe(winner.status === 200 ? 200 : 404)
      await context.call('DELETE', 'a')
      expect(await entries('data')).toEqual([])
      expect(await entries('uploads')).toEqual([])
    }
  })

  test('of puts that forbid overwriting have one winner, whose bytes stay', async () => {
    const bodies = Array.from({ length: 8 }, (_, index) => `body ${index}`)
    const headers = { 'x-oss-forbid-overwrite': 'true' }

    const answers = await Promise.all(
      bodies.map((body) => context.call('PUT', 'a', { body, headers })),
    )

    expect(statuses(answers)).toEqual([200, ...Array(7).fill('FileAlreadyExists')])
    const winner = answers.findIndex(({ status }) => status === 200)
    expect((await context.call('GET', 'a')).text).toBe(bodies[winner])
    expect(await entries('data')).toHaveLength(1)
  })

  test('of a part with a completion or abort neither revive the upload nor change its end', async () => {
    for (const end of ['POST', 'DELETE']) {
      for (let round = 0; round < 5; round++) {
        const uploadId = await context.initiate('a')
        await context.uploadPart('a', uploadId, 1, 'first')
        const headers: Record<string, string> =
          end === 'POST' ? { 'x-oss-complete-all': 'yes' } : {}

        const [part, ended] = await Promise.all([
          context.uploadPart('a', uploadId, 1, 'second'),
          context.call(end, 'a', { query: { uploadId }, headers }),
        ])

        expect(ended.code).toBeUndefined()
        expect([200, 404]).toContain(part.status)
        const object = await context.call('GET', 'a')
        if (end === 'POST') expect(object.text).toBe(part.status === 200 ? 'second' : 'first')
        else expect(object.status).toBe(404)
        await context.call('DELETE', 'a')
        expect(await entries('data')).toEqual([])
        await context.restart()
        expect((await context.complete('a', uploadId)).code).toBe('NoSuchUpload')
      }
    }
  })

  test('of the same part leave one of them, whole', async () => {
    const uploadId = await context.initiate('a')
    const bodies = Array.from({ length: 6 }, (_, index) => Buffer.alloc(200_000, index))

    await Promise.all(bodies.map((body) => context.uploadPart('a', uploadId, 1, body)))
    await context.complete('a', uploadId)

    const { bytes } = await context.call('GET', 'a')
    expect(bodies.some((body) => body.equals(bytes))).toBe(true)
    expect(await entries('data')).toHaveLength(1)
  })

  test('a download continues with the version it began with', async () => {
    const old = randomBytes(24 * 1024 * 1024)
    const uploadId = await context.initiate('a')
    for (const number of [1, 2, 3]) {
      const part = old.subarray((number - 1) * 8 * 1024 * 1024, number * 8 * 1024 * 1024)
      await context.uploadPart('a', uploadId, number, part)
    }
    await context.complete('a', uploadId)
    const { path, headers } = context.sign('GET', 'a')
    const response = await fetch(context.store.url + path, { headers })
    const reader = response.body!.getReader()
    const chunks = [(await reader.read()).value!]

    await context.call('PUT', 'a', { body: 'new' })
    for (;;) {
      const { value, done } = await reader.read()
      if (done) break
      chunks.push(value)
    }

    expect(Buffer.concat(chunks).equals(old)).toBe(true)
    expect((await context.call('GET', 'a')).text).toBe('new')
    await expect.poll(() => entries('data')).toHaveLength(1)
  })
})

test('kill -9 during completion and overwriting leaves the old object or the new one', async () => {
  const { now } = context
  await context.store.close()
  const script = await bundle(context.directory)
  const old = randomBytes(MIN_PART)
  const parts = [randomBytes(MIN_PART), randomBytes(50_000)]
  const outcomes = new Set<string>()

  for (let round = 0; round < 6; round++) {
    await context.start()
    await context.call('PUT', 'a', { body: old })
    const uploadId = await context.initiate('a')
    await context.uploadPart('a', uploadId, 1, parts[0]!)
    await context.uploadPart('a', uploadId, 2, parts[1]!)
    await context.store.close()
    const { child, port } = await startChild(script)
    const request = context.sign('POST', 'a', {
      query: { uploadId },
      headers: { 'x-oss-complete-all': 'yes' },
    })
    const url = `http://127.0.0.1:${port}${request.path}`
    const answered = fetch(url, { method: 'POST', headers: request.headers }).then(
      () => 'answered',
      () => 'cut',
    )
    // Kill at different moments: at once, after a few turns of the event loop, after the answer.
    if (round === 5) await answered
    else for (let turn = 0; turn < round * 40; turn++) await new Promise(setImmediate)
    child.kill('SIGKILL')
    await new Promise((resolve) => child.once('exit', resolve))
    await answered

    context.now = now
    await context.start()
    const { bytes } = await context.call('GET', 'a')
    const isOld = bytes.equals(old)
    outcomes.add(isOld ? 'old' : 'new')
    if (!isOld) expect(bytes.equals(Buffer.concat(parts))).toBe(true)
    expect((await context.complete('a', uploadId)).code).toBe(isOld ? undefined : 'NoSuchUpload')
    expect((await context.call('GET', 'a')).bytes.equals(Buffer.concat(parts))).toBe(true)
    await context.call('DELETE', 'a')
    expect(await entries('data')).toEqual([])
    await context.store.close()
  }

  expect(outcomes.has('new')).toBe(true)
  await context.start()
})

test('kill -9 during a copy leaves the whole part or none, and the source as it was', async () => {
  const { now } = context
  await context.store.close()
  const script = await bundle(context.directory)
  const bytes = randomBytes(3 * 1024 * 1024)
  const found = new Set<number>()

  for (let round = 0; round < 6; round++) {
    await context.start()
    await context.call('PUT', 'source', { body: bytes })
    const uploadId = await context.initiate('target')
    await context.store.close()
    const { child, port } = await startChild(script)
    const { path, headers } = context.sign('PUT', 'target', {
      query: { partNumber: '1', uploadId },
      headers: { 'x-oss-copy-source': `/${BUCKET}/source` },
    })
    const answered = fetch(`http://127.0.0.1:${port}${path}`, { method: 'PUT', headers }).then(
      ({ status }) => status,
      () => 'cut',
    )
    if (round === 5) expect(await answered).toBe(200)
    else for (let turn = 0; turn < round * 40; turn++) await new Promise(setImmediate)
    child.kill('SIGKILL')
    await new Promise((resolve) => child.once('exit', resolve))
    await answered

    context.now = now
    await context.start()
    const { text } = await context.call('GET', 'target', { query: { uploadId } })
    const sizes = [...text.matchAll(/<Size>(\d+)<\/Size>/g)].map(([, size]) => Number(size))
    found.add(sizes.length)
    expect(sizes).toEqual(sizes.length ? [bytes.length] : [])
    expect((await context.call('GET', 'source')).bytes.equals(bytes)).toBe(true)
    expect(await entries('data')).toHaveLength(1 + sizes.length)
    await context.call('DELETE', 'target', { query: { uploadId } })
    await context.store.close()
  }

  expect([...found].sort()).toEqual([0, 1])
  await context.start()
})

/** The store as one plain JavaScript file, because Node 20 runs no TypeScript. */
async function bundle(directory: string): Promise<string> {
  const path = join(directory, 'child.cjs')
  await build({
    stdin: {
      contents: `
        import { startEmbeddedStore } from './src/embedded/store/index.ts'
        startEmbeddedStore({
          directory: ${JSON.stringify(directory)}, host: '127.0.0.1', port: 0,
          bucket: ${JSON.stringify(BUCKET)}, region: 'local',
          ...${JSON.stringify(CREDENTIALS)},
          clock: () => new Date(), fetch, log: () => {},
        }).then((store) => console.log(store.port))
      `,
      resolveDir: process.cwd(),
    },
    bundle: true,
    platform: 'node',
    format: 'cjs',
    outfile: path,
  })
  return path
}

async function startChild(script: string): Promise<{ child: ChildProcess; port: number }> {
  const child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] })
  const port = await new Promise<number>((resolve, reject) => {
    child.stdout.once('data', (data) => resolve(Number(data)))
    child.once('exit', () => reject(new Error('the child ended early')))
  })
  return { child, port }
}
