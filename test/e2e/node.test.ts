// The service on Node: the shared suite, then start, stop, files and refused starts, which are specific to Node.
import { spawnSync } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { countersign } from '../support/cli.ts'
import { putPart, someBytes } from '../support/harness.ts'
import { startNodeTarget } from '../support/node-target.ts'
import { freshDatabase } from '../support/postgres.ts'
import { type Service, startService } from '../support/service.ts'
import { keepsItsPromises } from './suite.ts'

const ENTRY = fileURLToPath(new URL('../../dist/node.js', import.meta.url))
const KiB = 1024

async function call(
  service: Service,
  method: string,
  path: string,
  credential: string,
  body?: unknown,
) {
  const response = await fetch(`${service.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${credential}`, 'content-type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
  })
  return { status: response.status, body: (await response.json()) as Record<string, any> }
}

const create = (service: Service) =>
  call(service, 'POST', '/v1/uploads', service.apiKey, {
    subject: 'ada',
    filename: 'a.bin',
    sizeBytes: 250 * KiB,
    partSizeBytes: 100 * KiB,
  })

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

const postgresPid = async ({ dataDir }: Service) =>
  Number((await readFile(join(dataDir, 'postgres/data/postmaster.pid'), 'utf8')).split('\n')[0])

/** Runs the entry point to its end, for starts that must fail. */
function run(environment: Record<string, string>) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [ENTRY], {
    env: { PATH: process.env.PATH, HOME: process.env.HOME, PORT: '0', ...environment },
    encoding: 'utf8',
    timeout: 30_000,
  })
  return { status, output: stdout + stderr }
}

describe('the service on Node', () => keepsItsPromises(startNodeTarget))

describe('a running service', () => {
  let service: Service
  beforeAll(async () => {
    service = await startService()
  })
  afterAll(() => service.stop())

  it('answers its open routes', async () => {
    for (const path of ['/healthz', '/readyz', '/.well-known/jwks.json', '/']) {
      expect([path, (await fetch(`${service.url}${path}`)).status]).toEqual([path, 200])
    }
    const document = (await (await fetch(`${service.url}/openapi.json`)).json()) as Record<
      string,
      any
    >
    expect(document.openapi).toBe('3.1.0')
    expect(Object.keys(document.paths).sort()).toEqual([
      '/oss/credentials/{grant}',
      '/v1/apps',
      '/v1/apps/{id}/issuers',
      '/v1/apps/{id}/policies/{name}',
      '/v1/callbacks/{store}',
      '/v1/credentials',
      '/v1/deliveries/{id}/replay',
      '/v1/grants',
      '/v1/grants/{id}',
      '/v1/uploads',
      '/v1/uploads/{id}',
      '/v1/uploads/{id}/complete',
      '/v1/uploads/{id}/copies',
      '/v1/uploads/{id}/deliveries',
      '/v1/uploads/{id}/object',
      '/v1/uploads/{id}/parts',
      '/v1/webhook-endpoints',
      '/v1/webhook-endpoints/{id}/deliveries',
    ])
  })

  it('gives its own page a demo grant, and no other', async () => {
    const { port } = new URL(service.url)
    const ask = (headers: Record<string, string>) =>
      new Promise<number>((resolve, reject) => {
        request(
          { host: '127.0.0.1', port, path: '/demo/grant', method: 'POST', headers },
          (answer) => {
            answer.resume()
            resolve(answer.statusCode ?? 0)
          },
        )
          .on('error', reject)
          .end()
      })

    expect(await ask({ host: `127.0.0.1:${port}` })).toBe(201)
    expect(await ask({ host: 'rebound.example' })).toBe(404)
    expect(await ask({ host: `127.0.0.1:${port}`, origin: 'https://evil.example' })).toBe(404)
  })

  it('lends the CLI its demo app, which says in a line what is wrong and exits 1 or 2', async () => {
    const cli = (...args: string[]) => countersign({ DATA_DIR: service.dataDir }, ...args)
    const file = fileURLToPath(import.meta.url)

    const demo = cli('upload', file, '--json')
    expect(await demo.exited, demo.output()).toBe(0)
    expect(demo.result().key).toMatch(/^demo-[0-9a-f]{8}\/cli\/upl_[0-9a-f]{32}\/node\.test\.ts$/)
    const missing = cli('upload', `${file}.nope`)
    expect(await missing.exited).toBe(1)
    expect(missing.output()).toContain('does not exist')
    const wrong = cli('upload', file, '--key', 'csk_wrong')
    expect(await wrong.exited).toBe(1)
    expect(wrong.output()).toContain('Upload failed (unauthenticated)')
    expect(await cli('upload', file, '--parallel', 'many').exited).toBe(2)
  })

  it('keeps its secrets in files for its owner only, and out of what it prints', async () => {
    for (const name of ['keys.json', 'cli.json', 'store.json']) {
      expect((await stat(join(service.dataDir, name))).mode & 0o777).toBe(0o600)
    }
    const printed = service.output().replace(/^Admin key: .*$/m, '')
    expect(printed).toContain('"path":"/v1/uploads"')
    expect(printed).not.toMatch(/csk_|eyJ|x-oss-signature=|whsec_/)
    expect(printed).not.toContain(service.adminKey)
  })

  it('refuses a second service on its folder, and a taken port, and says what to do', async () => {
    const second = run({ DATA_DIR: service.dataDir })
    expect(second.status).toBe(1)
    expect(second.output).toMatch(/DATA_DIR|another/i)

    const elsewhere = await mkdtemp(join(tmpdir(), 'countersign-port-'))
    const taken = run({ DATA_DIR: elsewhere, PORT: new URL(service.url).port })
    expect(taken.status).toBe(1)
    expect(taken.output).toContain('is taken; stop what uses it, or give another')
    await rm(elsewhere, { recursive: true, force: true })
  })
})

describe('stopping and starting again', () => {
  it('SIGTERM ends everything with 0, and the next start has it all', async () => {
    const first = await startService()
    const pid = await postgresPid(first)
    const { body: created } = await create(first)
    expect(await first.stop({ remove: false })).toBe(0)
    expect(isAlive(pid)).toBe(false)

    const second = await startService({ dataDir: first.dataDir })
    expect(second.apiKey).toBe(first.apiKey)
    const status = await call(second, 'GET', `/v1/uploads/${created.id}`, second.apiKey)
    expect(status.body).toMatchObject({ state: 'open', missing: [[1, 3]] })
    await second.stop()
  })

  it('after SIGKILL the orphaned database is recovered and the upload goes on', async () => {
    const bytes = someBytes(250 * KiB)
    const first = await startService()
    const pid = await postgresPid(first)
    const { body: created } = await create(first)
    await putPart(created.parts[0], bytes, 100 * KiB)
    await first.kill()
    expect(isAlive(pid)).toBe(true)

    const second = await startService({ dataDir: first.dataDir })
    const status = await call(second, 'GET', `/v1/uploads/${created.id}`, second.apiKey)
    expect(status.body).toMatchObject({ state: 'open', missing: [[2, 3]] })
    const signed = await call(
      second,
      'POST',
      `/v1/uploads/${created.id}/parts`,
      status.body.uploadToken,
      { partNumbers: [2, 3] },
    )
    // The store may have another port now, so the URLs are signed again.
    for (const part of signed.body.parts) await putPart(part, bytes, 100 * KiB)
    const done = await call(
      second,
      'POST',
      `/v1/uploads/${created.id}/complete`,
      status.body.completionToken,
      {},
    )
    expect(done).toMatchObject({ status: 200, body: { state: 'completed' } })
    await second.stop()
  })
})

describe('configuration', () => {
  it('uses the database that it is given and starts none', async () => {
    const database = await freshDatabase()
    const service = await startService({ environment: { DATABASE_URL: database.serviceUrl } })

    expect(await readdir(service.dataDir)).not.toContain('postgres')
    expect((await create(service)).status).toBe(201)
    await service.stop()
    await database.drop()
  })

  it('names each variable that is missing', () => {
    const cloud = run({ STORE_DIALECT: 'oss', DATABASE_URL: 'postgres://127.0.0.1:1/x' })
    expect(cloud.status).toBe(1)
    for (const name of [
      'ADMIN_KEY',
      'SECRET_KEYS',
      'STORE_REGION',
      'STORE_BUCKET',
      'STORE_ACCESS_KEY_ID',
    ]) {
      expect(cloud.output).toContain(name)
    }
    expect(run({ HOST: '0.0.0.0' }).output).toContain('ADMIN_KEY')
    expect(run({ PORT: 'many' }).output).toContain('PORT')
  })
})
