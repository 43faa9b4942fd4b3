// The promises of a running Countersign, as one list for Node, for workerd and for the library form. It uses only what users
// see of the service, and it may kill the service.
import { createHash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { Webhook } from 'standardwebhooks'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { countersign } from '../support/cli.ts'
import { putPart, someBytes } from '../support/harness.ts'
import { startReceiver } from '../support/receiver.ts'

export interface Target {
  /** The public URL, which survives a restart. */
  url: string
  adminKey: string
  /** Sends SIGKILL. */
  kill(): Promise<void>
  restart(): Promise<void>
  /** Runs the schedule, where nothing else does. */
  tick(): Promise<unknown>
  /** Everything it has printed since its first start. */
  output(): string
  stop(): Promise<void>
}

const MiB = 1024 * 1024
const KiB = 1024
const FILE_BYTES = 24 * MiB
const PART_SIZE = ['--part-size', String(MiB)]
const SMALL_BYTES = 250 * KiB
const SMALL_PART_BYTES = 100 * KiB

const sha256 = (content: Uint8Array) => createHash('sha256').update(content).digest('hex')

export function keepsItsPromises(start: () => Promise<Target>): void {
  let target: Target
  let app: { id: string; apiKey: string }
  let folder: string
  const fileBytes = someBytes(FILE_BYTES)
  const small = someBytes(SMALL_BYTES)

  async function call(method: string, path: string, credential: string, body?: unknown) {
    const response = await fetch(`${target.url}${path}`, {
      method,
      headers: { authorization: `Bearer ${credential}`, 'content-type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
    })
    return { status: response.status, body: (await response.json()) as Record<string, any> }
  }
  const cli = (...args: string[]) =>
    countersign(
      {
        COUNTERSIGN_URL: target.url,
        COUNTERSIGN_KEY: app.apiKey,
        DATA_DIR: folder,
        XDG_STATE_HOME: folder,
      },
      ...args,
    )
  async function fileNamed(name: string): Promise<string> {
    const path = join(folder, name)
    await writeFile(path, fileBytes)
    return path
  }
  async function expectStored(id: string): Promise<void> {
    const answer = await fetch(`${target.url}/v1/uploads/${id}/object`, {
      headers: { authorization: `Bearer ${app.apiKey}` },
    })
    expect(sha256(new Uint8Array(await answer.arrayBuffer()))).toBe(sha256(fileBytes))
  }
  /** Creates an upload and stores all its parts. */
  async function sentUpload(credential = app.apiKey) {
    const { status, body } = await call('POST', '/v1/uploads', credential, {
      ...(credential === app.apiKey ? { subject: 'ada' } : {}),
      filename: 'a.bin',
      sizeBytes: SMALL_BYTES,
      partSizeBytes: SMALL_PART_BYTES,
    })
    expect(status, target.output()).toBe(201)
    for (const part of body.parts) {
      expect((await putPart(part, small, SMALL_PART_BYTES)).status).toBe(200)
    }
    return body
  }
  const complete = (created: Record<string, any>, body: Record<string, unknown> = {}) =>
    call('POST', `/v1/uploads/${created.id}/complete`, created.completionToken, body)
  const endpointFor = async (url: string) =>
    (
      await call('POST', '/v1/webhook-endpoints', app.apiKey, {
        url,
        events: ['upload.completed'],
      })
    ).body
  /** Runs the schedule until the condition holds. */
  async function scheduledUntil(arrived: Promise<void>): Promise<void> {
    let waiting = true
    const end = arrived.then(() => {
      waiting = false
    })
    while (waiting) await Promise.race([end, target.tick()])
  }

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'countersign-e2e-'))
    target = await start()
    const policy = { direct: true, credentials: true, partSizeBytes: MiB }
    app = (await call('POST', '/v1/apps', target.adminKey, { name: 'e2e', policy }))
      .body as typeof app
  })
  afterAll(async () => {
    await target?.stop()
    await rm(folder, { recursive: true, force: true })
  })

  it('is alive, ready, and describes itself under its public URL', async () => {
    for (const path of ['/healthz', '/readyz', '/.well-known/jwks.json']) {
      const { status } = await fetch(`${target.url}${path}`)
      expect([path, status], target.output()).toEqual([path, 200])
    }
    const document = await (await fetch(`${target.url}/openapi.json`)).json()
    expect(document).toMatchObject({ servers: [{ url: target.url }] })
  })

  it('answers a stranger, another app and a forged callback with a problem', async () => {
    const created = await sentUpload()
    const other = (await call('POST', '/v1/apps', target.adminKey, { name: 'other' })).body

    expect(await call('GET', `/v1/uploads/${created.id}`, 'nonsense')).toMatchObject({
      status: 401,
      body: { code: 'unauthenticated' },
    })
    expect(await call('GET', `/v1/uploads/${created.id}`, other.apiKey)).toMatchObject({
      status: 404,
      body: { code: 'upload-not-found' },
    })
    const forged = { token: created.completionToken, reqId: '1', object: created.key }
    expect(await call('POST', '/v1/callbacks/default', 'AAAA', forged)).toMatchObject({
      status: 403,
      body: { code: 'callback-not-verified' },
    })
  })

  it('takes the JWT of a registered issuer, whose keys two first requests fetch at once', async () => {
    const { publicKey, privateKey } = await generateKeyPair('ES256')
    const keys = { keys: [{ ...(await exportJWK(publicKey)), kid: 'one', alg: 'ES256' }] }
    const issuer = createServer((_request, response) => response.end(JSON.stringify(keys)))
    await new Promise<void>((resolve) => issuer.listen(0, '127.0.0.1', resolve))
    const { port } = issuer.address() as AddressInfo
    const registration = await call('POST', `/v1/apps/${app.id}/issuers`, target.adminKey, {
      issuer: `http://127.0.0.1:${port}`,
      audience: app.id,
      jwksUrl: `http://127.0.0.1:${port}/jwks.json`,
      algorithms: ['ES256'],
    })
    expect(registration.status).toBe(201)
    const jwt = await new SignJWT()
      .setProtectedHeader({ alg: 'ES256', kid: 'one' })
      .setIssuer(`http://127.0.0.1:${port}`)
      .setAudience(app.id)
      .setSubject('ada')
      .setExpirationTime('5m')
      .sign(privateKey)

    const listed = () => call('GET', '/v1/uploads', jwt)
    expect((await Promise.all([listed(), listed()])).map(({ status }) => status)).toEqual([
      200, 200,
    ])
    issuer.close()
  })

  it('uploads a file with the CLI, which prints its key, size and id', async () => {
    const run = cli('upload', await fileNamed('film.bin'), ...PART_SIZE, '--json')

    expect(await run.exited, run.output()).toBe(0)
    expect(run.result()).toMatchObject({
      sizeBytes: FILE_BYTES,
      key: expect.stringMatching(/\/cli\/upl_[0-9a-f]{32}\/film\.bin$/),
    })
    await expectStored(run.result().id)
  })

  it.each(['SIGINT', 'SIGKILL'] as const)(
    'lets a CLI that %s stopped at the half go on with only the missing parts',
    async (signal) => {
      const file = await fileNamed(`half-${signal}.bin`)
      // Half of the file is twelve parts, which the progress lines report.
      const first = cli('upload', file, ...PART_SIZE, '--parallel', '1')
      await first.until(/ (5\d|6\d)% /)
      first.child.kill(signal)
      const code = await first.exited
      if (signal === 'SIGINT') {
        expect(code).toBe(130)
        expect(first.output()).toContain('npx countersign resume')
      }

      const second = cli('resume', file, '--json')
      expect(await second.exited, second.output()).toBe(0)

      expect(second.output()).toContain('Resuming upl_')
      expect(Number(/(\d+)% /.exec(second.output())?.[1])).toBeGreaterThanOrEqual(50)
      await expectStored(second.result().id)
    },
  )

  it('killed at the half of an upload and started again, it needs only the missing parts', async () => {
    const file = await fileNamed('service-killed.bin')
    const first = cli('upload', file, ...PART_SIZE, '--parallel', '1')
    await first.until(/ (5\d|6\d)% /)
    await target.kill()
    first.child.kill('SIGKILL')
    await first.exited
    await target.restart()

    const second = cli('upload', file, ...PART_SIZE, '--json')
    expect(await second.exited, second.output() + target.output()).toBe(0)

    expect(second.output()).toContain('Resuming upl_')
    expect(Number(/(\d+)% /.exec(second.output())?.[1])).toBeGreaterThanOrEqual(50)
    await expectStored(second.result().id)
  })

  it('finishes a direct completion by the callback, whose answer the store relays', async () => {
    const created = await sentUpload()

    const { body } = await complete(created, { mode: 'direct' })
    const relayed = await fetch(body.direct.url, { method: 'POST', headers: body.direct.headers })

    expect(await relayed.json(), target.output()).toMatchObject({
      id: created.id,
      state: 'completed',
    })
    const after = await call('GET', `/v1/uploads/${created.id}`, app.apiKey)
    expect(after.body).toMatchObject({ state: 'completed', object: { sizeBytes: SMALL_BYTES } })
  })

  it('hands out temporary credentials for one key, to two that ask at once', async () => {
    const ask = () =>
      call('POST', '/v1/credentials', app.apiKey, {
        subject: 'ada',
        filename: 'a.bin',
        sizeBytes: SMALL_BYTES,
      })
    const answers = await Promise.all([ask(), ask()])

    expect(
      answers.map(({ status }) => status),
      target.output(),
    ).toEqual([201, 201])
    expect(answers[0]!.body.key).toContain(answers[0]!.body.uploadId)
    expect(answers[0]!.body.sessionToken).not.toBe(answers[1]!.body.sessionToken)
  })

  it('kills every part URL by an abort', async () => {
    const created = await sentUpload()
    const aborted = await call('DELETE', `/v1/uploads/${created.id}`, created.uploadToken)

    expect(aborted).toMatchObject({ status: 200, body: { state: 'aborted' } })
    expect((await putPart(created.parts[0], small, SMALL_PART_BYTES)).status).toBe(404)
  })

  it('tells of three completions at once in one event, which the standard library verifies', async () => {
    const receiver = await startReceiver()
    const endpoint = await endpointFor(receiver.url)
    const created = await sentUpload()

    const answers = await Promise.all([1, 2, 3].map(() => complete(created)))
    await scheduledUntil(receiver.arrived(1))

    expect(answers.map(({ body }) => body.state)).toEqual(['completed', 'completed', 'completed'])
    const { body, headers } = receiver.received[0]!
    expect(new Webhook(endpoint.secret).verify(body, headers)).toMatchObject({
      type: 'upload.completed',
      data: { upload: { id: created.id } },
    })
    const log = await call('GET', `/v1/webhook-endpoints/${endpoint.id}/deliveries`, app.apiKey)
    expect(log.body.deliveries).toHaveLength(1)
    expect(receiver.received).toHaveLength(1)
    await receiver.stop()
  })

  it('delivers from its schedule what was refused before it was killed: same id, same bytes', async () => {
    const receiver = await startReceiver()
    receiver.answerWith(500)
    const endpoint = await endpointFor(receiver.url)
    const created = await sentUpload()
    expect((await complete(created)).body.state).toBe('completed')
    await scheduledUntil(receiver.arrived(1))
    const path = `/v1/webhook-endpoints/${endpoint.id}/deliveries`
    const attempts = async () =>
      (await call('GET', path, app.apiKey)).body.deliveries[0].attempts as unknown[]
    // The attempt is recorded just after the answer. A kill before that would only repeat it later.
    while ((await attempts()).length < 1);
    await target.kill()
    receiver.answerWith(204)

    await target.restart()
    await scheduledUntil(receiver.arrived(2))

    const [first, second] = receiver.received
    expect(second!.body).toBe(first!.body)
    expect(second!.headers['webhook-id']).toBe(first!.headers['webhook-id'])
    await receiver.stop()
  })

  it('has logged requests, and no secret, token or signed URL', () => {
    const lines = target.output().match(/^\{"time".*$/gm) ?? []
    const logged = lines.join('\n')

    expect(logged).toMatch(/"path":"[^"]*\/v1\/uploads"/)
    expect(logged).not.toMatch(/csk_|eyJ|x-oss-signature=|whsec_/)
    expect(logged).not.toContain(target.adminKey)
  })
}
