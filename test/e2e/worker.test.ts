// The Worker entry in a real workerd: initiates, signs, completes directly, and verifies the store's RSA-MD5 callback.
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type EmbeddedStore, startEmbeddedStore } from '../../src/storage/embedded/index.ts'
import { putPart, someBytes } from '../support/harness.ts'
import { freshDatabase } from '../support/postgres.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const ADMIN_KEY = 'an-admin-key-for-the-worker'

let directory: string
let store: EmbeddedStore
let database: Awaited<ReturnType<typeof freshDatabase>>
let workerd: ChildProcess
let url: string
let output = ''

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** Hyperdrive insists on a password in the URL, even an unused one. */
const withPassword = (text: string) => {
  const parsed = new URL(text)
  parsed.password ||= 'unused'
  return parsed.href
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'countersign-worker-'))
  await mkdir(join(ROOT, 'dist/public'), { recursive: true })
  database = await freshDatabase()
  store = await startEmbeddedStore({
    directory,
    host: '127.0.0.1',
    port: 0,
    bucket: 'bucket',
    region: 'local',
    accessKeyId: 'id',
    secretAccessKey: 'secret',
    clock: () => new Date(),
    fetch,
    log: () => {},
  })
  const port = await freePort()
  url = `http://127.0.0.1:${port}`
  const variables = {
    PUBLIC_URL: url,
    ADMIN_KEY,
    SECRET_KEYS: `k1:${Buffer.alloc(32, 7).toString('base64url')}`,
    STORE_DIALECT: 'oss',
    STORE_ENDPOINT: store.url,
    STORE_REGION: 'local',
    STORE_BUCKET: 'bucket',
    STORE_ADDRESSING: 'path',
    STORE_ACCESS_KEY_ID: 'id',
    STORE_SECRET_ACCESS_KEY: 'secret',
    EMBEDDED_CALLBACK_KEY: store.callbackPublicKeyPem,
    WEBHOOK_ALLOW_PRIVATE: 'true',
  }
  workerd = spawn(
    process.execPath,
    [
      join(ROOT, 'node_modules/wrangler/bin/wrangler.js'),
      'dev',
      '--ip=127.0.0.1',
      `--port=${port}`,
      '--inspector-port=0',
      '--show-interactive-dev-session=false',
      '--test-scheduled',
      `--persist-to=${join(directory, 'state')}`,
      ...Object.entries(variables).flatMap(([name, value]) => ['--var', `${name}:${value}`]),
    ],
    {
      cwd: ROOT,
      detached: true,
      env: {
        ...process.env,
        CI: 'true',
        HOME: directory,
        WRANGLER_SEND_METRICS: 'false',
        WRANGLER_SEND_ERROR_REPORTS: 'false',
        CLOUDFLARE_CF_FETCH_ENABLED: 'false',
        CLOUDFLARE_HYPERDRIVE_LOCAL_CONNECTION_STRING_HYPERDRIVE: withPassword(database.url),
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  await new Promise<void>((resolve, reject) => {
    const read = (chunk: Buffer) => {
      output += chunk.toString()
      if (/Ready on/.test(output)) resolve()
    }
    workerd.stdout!.on('data', read)
    workerd.stderr!.on('data', read)
    workerd.once('exit', () => reject(new Error(`wrangler ended:\n${output}`)))
  })
})

afterAll(async () => {
  if (workerd?.pid && workerd.exitCode === null) {
    const ended = new Promise((resolve) => workerd.once('exit', resolve))
    process.kill(-workerd.pid, 'SIGTERM')
    await ended
  }
  await store?.close()
  await database?.drop()
  await rm(directory, { recursive: true, force: true })
})

async function call(method: string, path: string, credential: string, body?: unknown) {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: { authorization: `Bearer ${credential}`, 'content-type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
  })
  return { status: response.status, body: (await response.json()) as Record<string, any> }
}

it('is ready, and runs its schedule', async () => {
  expect((await fetch(`${url}/readyz`)).status).toBe(200)
  expect((await fetch(`${url}/__scheduled?cron=*+*+*+*+*`)).status).toBe(200)
})

it('initiates, signs, and finishes by a verified callback', async () => {
  const { body: app } = await call('POST', '/v1/apps', ADMIN_KEY, {
    name: 'w',
    policy: { direct: true },
  })
  const bytes = someBytes(150 * 1024)
  const { status, body: created } = await call('POST', '/v1/uploads', app.apiKey, {
    subject: 'ada',
    filename: 'a.bin',
    sizeBytes: bytes.length,
    partSizeBytes: 100 * 1024,
  })
  expect(status, output).toBe(201)
  for (const part of created.parts) {
    expect((await putPart(part, bytes, 100 * 1024)).status).toBe(200)
  }

  const { body } = await call(
    'POST',
    `/v1/uploads/${created.id}/complete`,
    created.completionToken,
    {
      mode: 'direct',
    },
  )
  const relayed = await fetch(body.direct.url, { method: 'POST', headers: body.direct.headers })

  expect(await relayed.json()).toMatchObject({ id: created.id, state: 'completed' })
  const after = await call('GET', `/v1/uploads/${created.id}`, app.apiKey)
  expect(after.body).toMatchObject({ state: 'completed', object: { sizeBytes: bytes.length } })
})

it('refuses a callback whose signature was tampered with', async () => {
  const response = await fetch(`${url}/v1/callbacks/default`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: 'AAAA' },
    body: JSON.stringify({ token: 'x', reqId: '1' }),
  })
  expect(response.status).toBe(403)
  expect(await response.json()).toMatchObject({ code: 'callback-not-verified' })
})
