// Rotation of SECRET_KEYS as docs/operations.md describes it: everything sealed or signed with the old key stays usable, and no
// service starts without a key that is still needed.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runCommand } from 'citty'
import { SignJWT } from 'jose'
import postgres from 'postgres'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { base64url } from '../../src/bytes/encoding.ts'
import { keysCommand } from '../../src/cli/service.ts'
import { ConfigError, parseConfig } from '../../src/config.ts'
import { budgetOf } from '../../src/core/ports/budget.ts'
import { signWebhook } from '../../src/delivery/targets/standard-webhooks.ts'
import { countersign } from '../../src/node/library.ts'
import { start } from '../../src/node/start.ts'
import { reseal } from '../../src/schedule/reseal.ts'
import {
  ADMIN_KEY,
  type Harness,
  masterKey,
  putPart,
  someBytes,
  startHarness,
} from '../support/harness.ts'
import { startReceiver } from '../support/receiver.ts'
import { storeVariables } from '../support/worker-target.ts'

const SECRET = 'a-shared-secret-of-at-least-32-characters'
const BYTES = someBytes(1000)
/** SECRET_KEYS as an environment variable. */
const listed = (...kids: string[]) =>
  kids.map((kid) => `${kid}:${base64url(masterKey(kid).secret)}`).join(',')
const LACKS_K1 =
  'lacks the key "k1" (the secrets of 1 issuer and 1 webhook endpoint are sealed with it). ' +
  'List it again behind the others, run "countersign keys reseal", and only then remove it (docs/operations.md).'

let harness: Harness
let receiver: Awaited<ReturnType<typeof startReceiver>>
let sql: postgres.Sql
let app: { id: string; apiKey: string }
let endpoint: { id: string; secret: string }

beforeEach(async () => {
  harness = await startHarness()
  receiver = await startReceiver()
  sql = postgres(harness.databaseUrl, { max: 2, onnotice: () => {} })
  app = await harness.createApp()
  const issuer = { issuer: 'https://id.example', audience: 'app' }
  const keys = { secret: SECRET, algorithms: ['HS256'] }
  await harness.call('POST', `/v1/apps/${app.id}/issuers`, ADMIN_KEY, { ...issuer, ...keys })
  endpoint = (
    await harness.call<typeof endpoint>('POST', '/v1/webhook-endpoints', app.apiKey, {
      url: receiver.url,
    })
  ).body
})
afterEach(async () => {
  await sql.end()
  await receiver.stop()
  await harness.stop()
})

type Instance = Pick<Awaited<ReturnType<Harness['instance']>>, 'call' | 'deliver'>

const jwt = () =>
  new SignJWT({ sub: 'ada', aud: 'app', iss: 'https://id.example' })
    .setProtectedHeader({ alg: 'HS256' })
    .setExpirationTime(Math.floor(harness.clock().getTime() / 1000) + 600)
    .sign(new TextEncoder().encode(SECRET))

/** The keys that the app's secrets are sealed with. */
const kids = async () => {
  const [row] = await sql`
    select (select split_part(encrypted_secret, '.', 1) from issuers) as issuer,
      (select split_part(encrypted_secret, '.', 1) from webhook_endpoints) as endpoint`
  return { ...row }
}

/** Expects a user JWT, signed with the issuer's secret, to create an upload. */
const create = async ({ call }: Instance) =>
  call('POST', '/v1/uploads', await jwt(), { filename: 'a.bin', sizeBytes: BYTES.length })

/** Expects the webhook to arrive, signed with the secret that the app was given. */
async function isTold({ deliver }: Instance, uploadId: string, type: string): Promise<boolean> {
  await deliver()
  const told = receiver.received.find(({ body }) => {
    const event = JSON.parse(body)
    return event.type === type && event.data.upload.id === uploadId
  })
  if (!told) return false
  const { headers, body } = told
  const at = Number(headers['webhook-timestamp'])
  const signature = await signWebhook(endpoint.secret, headers['webhook-id']!, at, body)
  return headers['webhook-signature'] === signature
}

async function works(instance: Instance) {
  const created = await create(instance)
  const { id } = created.body
  return [created.status, id && (await isTold(instance, id, 'upload.created'))]
}

it('a rotation as documented loses no secret, no session and no request between two services', async () => {
  const before = await create(harness)
  expect(before.status).toBe(201)

  // Add the new key last, one service at a time.
  const [old, added] = [await harness.instance('k1'), await harness.instance('k1', 'k2')]
  expect([await works(old), await works(added)]).toEqual([
    [201, true],
    [201, true],
  ])
  // Move it first, one service at a time. From now on, housekeeping seals with it.
  const moved = await harness.instance('k2', 'k1')
  const between = await create(added)
  await moved.keepHouse()
  expect(await kids()).toEqual({ issuer: 'k2', endpoint: 'k2' })
  expect([await works(added), await works(moved)]).toEqual([
    [201, true],
    [201, true],
  ])
  // Sessions from before the move complete with their existing tokens.
  for (const { body } of [before, between]) {
    await putPart(body.parts[0], BYTES, BYTES.length)
    const path = `/v1/uploads/${body.id}/complete`
    const completed = await moved.call('POST', path, body.completionToken, {})
    expect(completed).toMatchObject({ status: 200, body: { state: 'completed' } })
    expect(await isTold(moved, body.id, 'upload.completed')).toBe(true)
  }
  // Remove the old key.
  const removed = await harness.instance('k2')
  await removed.requireKeys()
  expect(await works(removed)).toEqual([201, true])
})

describe('housekeeping', () => {
  it('leaves alone what somebody else has sealed anew meanwhile', async () => {
    const moved = await harness.instance('k2', 'k1')
    const [row] = await sql`select encrypted_secret as sealed from issuers`
    const { sealed } = harness.housekeeping
    const stale = { appId: app.id, kind: 'issuer' as const, id: '', sealed: row!.sealed as string }
    const [{ id } = { id: '' }] = await sql<{ id: string }[]>`select issuer_id as id from issuers`
    await moved.keepHouse()

    expect(await sealed.reseal({ ...stale, id })).toBe(false)

    expect(await kids()).toEqual({ issuer: 'k2', endpoint: 'k2' })
  })

  it('continues after a secret that cannot be opened, and names it', async () => {
    const moved = await harness.instance('k2', 'k1')
    await sql`update issuers set encrypted_secret = 'k1.AAAA.AAAA'`

    await moved.keepHouse()

    expect(await kids()).toEqual({ issuer: 'k1', endpoint: 'k2' })
    expect(harness.lines.filter((line) => line.includes('re-sealed'))).toHaveLength(1)
  })

  it('seals as much as its budget allows, and the rest in the next run', async () => {
    const { housekeeping } = await harness.instance('k2', 'k1')
    const some = { ...housekeeping, budget: budgetOf(1) }

    expect(await reseal(some)).toEqual({ resealed: 0, unreadable: 0 })
    expect(await reseal(housekeeping, { most: 1 })).toEqual({ resealed: 1, unreadable: 0 })
    expect(Object.values(await kids()).sort()).toEqual(['k1', 'k2'])
    expect(await reseal(housekeeping, { most: 2 })).toEqual({ resealed: 1, unreadable: 0 })
  })
})

describe('countersign keys reseal', () => {
  const run = async (environment: Record<string, string>) => {
    const said: string[] = []
    const command = keysCommand({ environment, say: (line) => void said.push(line) })
    await runCommand(command, { rawArgs: ['reseal'] })
    const code = process.exitCode ?? 0
    process.exitCode = undefined
    return { said, code }
  }

  it('seals everything with the first key, and says how many', async () => {
    const environment = { DATABASE_URL: harness.databaseUrl, SECRET_KEYS: listed('k2', 'k1') }

    expect(await run(environment)).toEqual({
      said: [
        '2 of 2 …',
        'Sealed 2 secrets with the key "k2".',
        'Secrets no longer need any other key.',
      ],
      code: 0,
    })
    expect(await kids()).toEqual({ issuer: 'k2', endpoint: 'k2' })
    expect((await run(environment)).said[0]).toBe('Sealed 0 secrets with the key "k2".')
  })

  it('fails if a key is not listed, and changes nothing', async () => {
    const before = await kids()

    const { said, code } = await run({
      DATABASE_URL: harness.databaseUrl,
      SECRET_KEYS: listed('k2'),
    })

    expect([said.at(-1), code]).toEqual([`SECRET_KEYS ${LACKS_K1}`, 1])
    expect(await kids()).toEqual(before)
  })

  it('names what it needs', async () => {
    expect(await run({})).toEqual({
      said: ['DATABASE_URL: is needed here\nSECRET_KEYS: is needed here'],
      code: 2,
    })
  })
})

describe('a key that rows still name', () => {
  it('is missed at the start, which is refused', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'countersign-secrets-'))
    const config = parseConfig({
      DATABASE_URL: harness.databaseUrl,
      SECRET_KEYS: listed('k2'),
      ADMIN_KEY,
      DATA_DIR: directory,
      PORT: '0',
      STORE_PORT: '0',
    })

    const outcome = await start(config, () => {}).then(
      (running) => running.stop().then(() => 'started'),
      (refusal: unknown) => refusal,
    )

    expect(outcome).toEqual(new ConfigError(`SECRET_KEYS: ${LACKS_K1}`))
    await rm(directory, { recursive: true, force: true })
  })

  it('is missed at the start of the library form, which begins once it is listed', async () => {
    const started = async (...listedKids: string[]) => {
      const uploads = countersign(
        {
          ...storeVariables(harness.store),
          DATABASE_URL: harness.databaseUrl,
          PUBLIC_URL: 'http://countersign.test',
          SECRET_KEYS: listed(...listedKids),
        },
        { log: () => {} },
      )
      const outcome = await uploads.start().then(
        () => 'started',
        (refusal: unknown) => refusal,
      )
      await uploads.close()
      return outcome
    }

    expect(await started('k2')).toEqual(new ConfigError(`SECRET_KEYS: ${LACKS_K1}`))
    expect(await started('k2', 'k1')).toBe('started')
  })

  it('is missed by /readyz, until it is listed or no longer named', async () => {
    const removed = await harness.instance('k2')
    expect(await removed.call('GET', '/readyz')).toMatchObject({
      status: 503,
      body: { code: 'not-ready', detail: `SECRET_KEYS ${LACKS_K1}` },
    })

    await (await harness.instance('k2', 'k1')).keepHouse()

    expect(await removed.call('GET', '/readyz')).toMatchObject({ status: 200 })
  })
})
