// The service on a real PostgreSQL and the real embedded store, all behind the fault port, with a clock that only tests move.
// One for a test file; `begin` gives a run its own app, webhook receiver and instances.
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import postgres from 'postgres'
import { Webhook } from 'standardwebhooks'
import { createVault } from '../../src/auth/vault.ts'
import { base64url } from '../../src/bytes/encoding.ts'
import type { SendWebhook } from '../../src/core/ports/deliveries.ts'
import type { Log } from '../../src/core/ports/log.ts'
import { connect } from '../../src/db/connect.ts'
import { deliverDue } from '../../src/delivery/deliver.ts'
import { startEmbeddedStore } from '../../src/embedded/store/index.ts'
import { httpApp } from '../../src/http/app.ts'
import { redact } from '../../src/log.ts'
import { keepHouse } from '../../src/schedule/housekeeping.ts'
import { runScheduled } from '../../src/schedule/run.ts'
import { processServices } from '../../src/services.ts'
import { freshDatabase } from '../support/postgres.ts'
import { startProcessingStore } from '../support/processing/server.ts'
import { type Channel, faultPort, type Instance } from './fault-port.ts'
import { throughPort } from './through-port.ts'

const ADMIN_KEY = 'an-admin-key-for-the-tests'
const STORE_SECRET = 'test-secret-of-the-store'
const MASTER = new Uint8Array(32).fill(7)
const OLD_KEY = { kid: 'k0', secret: new Uint8Array(32).fill(6) }
const RECEIVER = 'http://receiver.test/hook'
const BUCKET = {
  region: 'local',
  bucket: 'bucket',
  accessKeyId: 'test-key-id',
  secretAccessKey: STORE_SECRET,
}
/** Housekeeping's retention. */
export const KEEP = { sessionDays: 90, deliveryDays: 90, eventDays: 90 }

/** How a failed call looks to its caller: errors of the driver, the runtime and the store. */
function failure(channel: Channel, kind: 'before' | 'after' | 'lost'): Error {
  if (kind === 'lost') return new DOMException('The operation timed out', 'TimeoutError')
  if (channel === 'database') return new Error('write CONNECTION_CLOSED')
  return new TypeError('fetch failed')
}

function withoutLength<Value>(answer: Value): Value {
  if (answer instanceof Response) answer.headers.delete('content-length')
  return answer
}

const ROUTES: ReadonlyArray<[method: string, parameter: RegExp, name: string]> = [
  ['POST', /^uploads$/, 'initiate'],
  ['POST', /^uploadId$/, 'complete'],
  ['POST', /^x-oss-(async-)?process$/, 'process'],
  ['POST', /^$/, 'issueCredentials'],
  ['GET', /^uploadId$/, 'listParts'],
  ['GET', /^uploads$/, 'listUploads'],
  ['DELETE', /^uploadId$/, 'abort'],
  ['HEAD', /^$/, 'head'],
  ['DELETE', /^$/, 'delete'],
  ['PUT', /^$/, 'putEmpty'],
]

const PARAMETERS = ['uploads', 'uploadId', 'x-oss-process', 'x-oss-async-process']

function operationOf(method: string, url: URL): string {
  const parameter = PARAMETERS.find((name) => url.searchParams.has(name)) ?? ''
  const row = ROUTES.find(([verb, names]) => verb === method && names.test(parameter))
  return `store.${row?.[2] ?? method}`
}

export interface Received {
  eventId: string
  body: string
}

/** A request from the store to the service, recorded so that a test can repeat it. */
export interface CapturedCallback {
  url: string
  headers: Record<string, string>
  body: Uint8Array<ArrayBuffer>
}

export interface Answer {
  status: number
  headers: Headers
  text: string
  /** Faults applied to the awaits behind it. */
  faults: string[]
}

export async function startWorld() {
  const directory = await mkdtemp(join('/dev/shm', 'countersign-faults-')).catch(() =>
    mkdtemp('/tmp/countersign-faults-'),
  )
  const fresh = await freshDatabase()
  /** Statements that bypassed the fault port. */
  const strays: string[] = []
  const connection = connect(fresh.url, {
    maxConnections: 2,
    onStatement() {
      if (port.pastIt) strays.push(port.pastIt)
    },
  })
  const sql = postgres(fresh.url, { max: 1, onnotice: () => {} })
  let now = Date.parse('2026-03-02T08:00:00Z')
  const clock = () => new Date(now)
  const advance = (milliseconds: number) => {
    now += milliseconds
  }
  const port = faultPort({ timePasses: advance, failure, withoutLength })

  const lines: string[] = []
  const received: Received[] = []
  const callbacks: CapturedCallback[] = []
  /** Keys of foreign objects. */
  const foreignObjects = new Set<string>()
  const answers: Answer[] = []
  let endpointSecret = ''
  /** Instances by number. Callbacks go to the first. */
  let instances: Instance[] = []

  const log: Log = (level, message, fields) =>
    void lines.push(redact(JSON.stringify({ level, message, ...fields })))

  const store = await startEmbeddedStore({
    directory,
    host: '127.0.0.1',
    port: 0,
    ...BUCKET,
    clock,
    serviceUrls: () => ['http://countersign.test'],
    fetch: (input, init) => callbackFetch(input, init),
    log: () => {},
  })
  const processing = await startProcessingStore({ storeUrl: store.url, ...BUCKET, clock })

  /** Reads the whole answer inside the port, so that nothing of it arrives outside a turn. */
  const fetchWhole: typeof fetch = async (input, init) => {
    const answer = await fetch(input, { ...init, signal: undefined })
    const body = await answer.arrayBuffer()
    const empty = body.byteLength === 0
    return new Response(empty ? null : body, { status: answer.status, headers: answer.headers })
  }

  const serviceFetch: typeof fetch = (input, init) =>
    port.cross('store', operationOf(init?.method ?? 'GET', new URL(String(input))), () =>
      fetchWhole(input, init),
    )

  const sendWebhook: SendWebhook = (_, headers, body) =>
    port.cross('webhook', 'sendWebhook', async () => {
      // As strict as a real receiver: it accepts only signed webhooks, by the world's clock.
      const stamped = Number(headers['webhook-timestamp']) * 1000
      if (Math.abs(stamped - now) > 300_000) throw new Error('the timestamp is not of now')
      const signature = await new Webhook(endpointSecret).sign(
        headers['webhook-id']!,
        new Date(stamped),
        body,
      )
      if (signature !== headers['webhook-signature']) throw new Error('the signature is wrong')
      received.push({ eventId: headers['webhook-id']!, body })
      return { status: 204 }
    })

  const processWide = await processServices({
    secretKeys: [{ kid: 'k1', secret: MASTER }, OLD_KEY],
    adminKey: ADMIN_KEY,
    publicUrl: () => 'http://countersign.test',
    allowPrivateTargets: true,
    embedded: true,
    stores: ['default', 'processing'].map((name) => ({
      name,
      dialect: 'oss',
      endpoint: name === 'processing' ? processing.url : store.url,
      publicEndpoint: store.url,
      addressing: 'path',
      ...BUCKET,
      roleArn: 'acs:ram::1000000000000000:role/embedded',
      stsEndpoint: store.url,
      bindLength: true,
    })),
    embeddedCallbackKey: store.callbackPublicKeyPem,
    log,
    background: (work) => void work.catch(() => {}),
    sendWebhook,
    clock,
    fetch: serviceFetch,
    // Time-outs use the world's clock, because a real timer would be a step outside the schedule.
    storeTimeoutMs: 2 ** 31 - 1,
    delay: () => port.cross('delay', 'delay', async () => {}),
    // A hanging one would block all later ones, in every process.
    sharePromises: false,
  })

  const bare = processWide.forDatabase(connection.database)
  const services = throughPort(port, bare)
  const bareHousekeeping = processWide.housekeepingFor(connection.database)
  const housekeeping = throughPort(port, bareHousekeeping)
  const api = httpApp({ servicesFor: () => services })

  const liveInstance = () => instances.find(({ dead }) => !dead)

  /** Hands the store's callback to an instance without a socket. A dead or hung instance does not answer. */
  async function callbackFetch(input: Parameters<typeof fetch>[0], init?: RequestInit) {
    const url = String(input)
    const headers = Object.fromEntries(new Headers(init?.headers))
    const body = new Uint8Array(init?.body as Uint8Array<ArrayBuffer>)
    callbacks.push({ url, headers, body })
    const answer = await port.nested(() => request(liveInstance(), 'POST', url, headers, body))
    return new Response(answer.text, { status: answer.status, headers: answer.headers })
  }

  /** Sends one request to one instance. Throws NoAnswer, or a network error. */
  async function request(
    instance: Instance | undefined,
    method: string,
    url: string,
    headers: Record<string, string>,
    body?: string | Uint8Array<ArrayBuffer>,
  ): Promise<Answer> {
    const { value, faults } = await port.run(`${method} ${url}`, instance, async () => {
      const answer = await api.request(url, { method, headers, body })
      return { status: answer.status, headers: answer.headers, text: await answer.text() }
    })
    const answer = { ...value, faults }
    answers.push(answer)
    return answer
  }

  return {
    port,
    sql,
    store,
    processing,
    directory,
    strays,
    foreignObjects,
    /** Bypasses the fault port, for checks. */
    bare,
    sealed: bareHousekeeping.sealed,
    request,
    lines,
    answers,
    received,
    callbacks,
    clock,
    fetchWhole,
    advance,

    /** Replaces all processes by this many new ones. */
    start(count: number): Instance[] {
      for (const instance of instances) instance.dead = true
      instances = Array.from({ length: count }, (_, number) => ({ number, dead: false }))
      return instances
    },
    /** Replaces an instance that was killed. */
    restart(number: number): Instance {
      const instance = { number, dead: false }
      instances[number] = instance
      return instance
    },
    instance: (number: number) => instances[number % instances.length]!,

    sweep: (instance: Instance) => port.run('sweep', instance, () => runScheduled(services)),
    deliver: (instance: Instance) => port.run('deliver', instance, () => deliverDue(services)),
    keepHouse: (instance: Instance) =>
      port.run('housekeeping', instance, () => keepHouse(housekeeping, { keep: KEEP })),

    /** Seals the webhook secret with the old key, as before another key came first. */
    async sealWithOldKey(appId: string): Promise<void> {
      const vault = await createVault([OLD_KEY], (count) =>
        crypto.getRandomValues(new Uint8Array(count)),
      )
      const sealed = await vault.seal(endpointSecret)
      await sql`update webhook_endpoints set encrypted_secret = ${sealed} where app_id = ${appId}`
    },

    /** Creates an app for a run, with one webhook endpoint. */
    async begin(policy: Record<string, unknown>) {
      port.disarm()
      lines.length = received.length = callbacks.length = answers.length = strays.length = 0
      processing.objects.tasks.clear()
      foreignObjects.clear()
      const [instance] = this.start(2)
      const call = async (method: string, path: string, credential: string, body: unknown) => {
        const headers = {
          authorization: `Bearer ${credential}`,
          'content-type': 'application/json',
        }
        const { text } = await request(instance, method, path, headers, JSON.stringify(body))
        return JSON.parse(text)
      }
      const app = await call('POST', '/v1/apps', ADMIN_KEY, { name: 'run', policy })
      const hook = await call('POST', '/v1/webhook-endpoints', app.apiKey, { url: RECEIVER })
      endpointSecret = hook.secret
      answers.length = 0
      const secrets = [ADMIN_KEY, STORE_SECRET, base64url(MASTER), app.apiKey, hook.secret]
      return { appId: app.id as string, apiKey: app.apiKey as string, endpointId: hook.id, secrets }
    },

    /** Empties the database, because the sweep visits every app in it. */
    async wipe(): Promise<void> {
      await sql`truncate apps cascade`
    },

    async stop() {
      port.close()
      await processing.close()
      await store.close()
      await connection.close()
      await sql.end()
      await fresh.drop()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

export type World = Awaited<ReturnType<typeof startWorld>>
export type RunApp = Awaited<ReturnType<World['begin']>>
