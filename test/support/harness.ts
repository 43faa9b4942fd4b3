// The whole app for integration tests: a new database, a real embedded store, and a clock that the test moves.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { StoreConfig } from '../../src/config.ts'
import { type Budget, unbounded } from '../../src/core/ports/budget.ts'
import type { Log } from '../../src/core/ports/log.ts'
import type { Retention } from '../../src/core/retention.ts'
import { connect } from '../../src/db/connect.ts'
import { deliverDue } from '../../src/delivery/deliver.ts'
import { startEmbeddedStore } from '../../src/embedded/store/index.ts'
import { httpApp } from '../../src/http/app.ts'
import { redact } from '../../src/log.ts'
import { guardedFetch } from '../../src/node/guarded-fetch.ts'
import { requireKeys } from '../../src/node/keys.ts'
import { keepHouse } from '../../src/schedule/housekeeping.ts'
import { runScheduled } from '../../src/schedule/run.ts'
import { type ProcessOptions, processServices } from '../../src/services.ts'
import { freshDatabase } from './postgres.ts'
import { startProcessingStore } from './processing/server.ts'

export const ADMIN_KEY = 'an-admin-key-for-the-tests'

const PUBLIC_URL = 'http://countersign.test'

/** The embedded store's bucket and access key. */
const OWN = {
  region: 'local',
  bucket: 'bucket',
  accessKeyId: 'test-key-id',
  secretAccessKey: 'test-secret-of-the-store',
}

/** The key of this name in SECRET_KEYS. Each name gives different bytes. */
export const masterKey = (kid: string) => ({
  kid,
  secret: new Uint8Array(32).fill(Number(kid.slice(1)) + 6),
})

type FetchLike = typeof fetch

export interface HarnessOptions {
  /** Answers what the service asks of tenants' and senders' hosts, instead of the network. */
  targetFetch?: FetchLike
  /** Wraps the service's calls to the store, to fail, delay or watch them. */
  storeFetch?: (forward: FetchLike) => FetchLike
  /** A shorter time-out for statements. */
  statementMs?: number
  /** How long to wait for a connection; by default, until one is free. */
  waitMs?: number
  /** Settings of the store, as an operator writes them. */
  storeSettings?: Pick<
    Partial<StoreConfig>,
    'bindLength' | 'exclusive' | 'cleanupDays' | 'credentialsExpireAt' | 'notifications'
  >
  /** Where the store reports uploads; by default, at the public URL. */
  callbackUrls?: readonly string[]
  /** Names of more stores, all on the same bucket. */
  moreStores?: string[]
  /** Puts a store that processes objects in front of the embedded one, and adds Media Processing. */
  processing?: boolean
}

export interface Answer<Body = Record<string, any>> {
  status: number
  headers: Headers
  body: Body
}

export async function startHarness(options: HarnessOptions = {}) {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-harness-'))
  const fresh = await freshDatabase()
  const counts = { statements: 0, storeCalls: 0, webhooks: 0 }
  let budget = unbounded
  const connection = connect(fresh.serviceUrl, {
    maxConnections: 8,
    statementMs: options.statementMs,
    waitMs: options.waitMs,
    onStatement() {
      counts.statements++
      budget.spend()
    },
  })
  let offsetMs = 0
  const clock = () => new Date(Date.now() + offsetMs)
  const lines: string[] = []
  const log: Log = (level, message, fields) =>
    void lines.push(redact(JSON.stringify({ level, message, ...fields })))
  const store = await startEmbeddedStore({
    directory,
    host: '127.0.0.1',
    port: 0,
    bucket: 'bucket',
    region: 'local',
    accessKeyId: 'test-key-id',
    secretAccessKey: 'test-secret-of-the-store',
    clock,
    serviceUrls: () => options.callbackUrls ?? [PUBLIC_URL],
    fetch: (input, init) => callbackFetch(input, init),
    log: () => {},
  })
  const processing = options.processing
    ? await startProcessingStore({ storeUrl: store.url, ...OWN, clock })
    : undefined
  let storeFetch: FetchLike = fetch
  if (options.storeFetch) storeFetch = options.storeFetch(fetch)
  const targets = guardedFetch({ allowPrivate: true })
  const background = new Set<Promise<unknown>>()
  const processOptions: ProcessOptions = {
    secretKeys: [masterKey('k1')],
    adminKey: ADMIN_KEY,
    publicUrl: () => PUBLIC_URL,
    callbackUrls: options.callbackUrls,
    allowPrivateTargets: true,
    embedded: true,
    stores: ['default', ...(options.moreStores ?? [])].map((name) => ({
      name,
      dialect: 'oss' as const,
      endpoint: processing?.url ?? store.url,
      publicEndpoint: store.url,
      addressing: 'path' as const,
      ...OWN,
      roleArn: 'acs:ram::1000000000000000:role/embedded',
      stsEndpoint: store.url,
      mpsEndpoint: processing?.url ?? store.url,
      bindLength: true,
      ...options.storeSettings,
    })),
    embeddedCallbackKey: store.callbackPublicKeyPem,
    log,
    background: (work) => void background.add(work),
    targetFetch(input, init) {
      counts.webhooks++
      budget.spend()
      return (options.targetFetch ?? targets.fetch)(input, init)
    },
    clock,
    storeTimeoutMs: 3_000,
    fetch(input, init) {
      counts.storeCalls++
      return storeFetch(input, init)
    },
    delay: (ms) => new Promise((resolve) => setTimeout(resolve, Math.min(ms, 3_000))),
  }
  const processWide = await processServices(processOptions)
  const services = processWide.forDatabase(connection.database)
  const app = httpApp({ servicesFor: () => services })

  /** Hands the store's callback to the app without a socket. */
  const intoApp: FetchLike = async (input, init) => {
    const answer = await app.request(String(input instanceof Request ? input.url : input), init)
    const headers = new Headers(answer.headers)
    return new Response(await answer.arrayBuffer(), { status: answer.status, headers })
  }

  let callbackFetch = intoApp

  const callTo =
    (to: typeof app) =>
    async <Body = Record<string, any>>(
      method: string,
      path: string,
      credential?: string,
      body?: unknown,
      headers: Record<string, string> = {},
    ): Promise<Answer<Body>> => {
      const response = await to.request(path, {
        method,
        headers: {
          ...(credential ? { authorization: `Bearer ${credential}` } : {}),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        body:
          body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body),
      })
      const text = await response.text()
      const isJson = response.headers.get('content-type')?.includes('json')
      return {
        status: response.status,
        headers: response.headers,
        body: (isJson ? JSON.parse(text) : { text }) as Body,
      }
    }

  const call = callTo(app)

  async function createApp(policy?: Record<string, unknown> | null) {
    const { body } = await call('POST', '/v1/apps', ADMIN_KEY, { name: 'test', policy })
    return body as { id: string; apiKey: string; keyPrefix: string }
  }

  return {
    app,
    services,
    store,
    processing,
    directory,
    call,
    createApp,
    clock,
    lines,
    databaseUrl: fresh.url,
    /** Starts a second process of the service on the same database and store, with its own SECRET_KEYS. */
    async instance(...kids: string[]) {
      const other = await processServices({ ...processOptions, secretKeys: kids.map(masterKey) })
      const services = other.forDatabase(connection.database)
      const housekeeping = other.housekeepingFor(connection.database)
      return {
        housekeeping,
        call: callTo(httpApp({ servicesFor: () => services })),
        deliver: () => deliverDue(services),
        keepHouse: () =>
          keepHouse(housekeeping, {
            keep: { sessionDays: 90, deliveryDays: 90, eventDays: 90 },
          }),
        requireKeys: () => requireKeys(services),
      }
    },
    /** How many statements, store calls, webhooks and issuer calls have been made so far. */
    counts,
    /** Services whose statements and calls spend this budget. */
    within(given: Budget) {
      budget = given
      return processWide.forDatabase(connection.database, { budget })
    },
    /** Wraps the service's calls to the store from now on. */
    interceptStore(between: (forward: FetchLike) => FetchLike) {
      storeFetch = between(fetch)
    },
    /** Wraps the store's callbacks from now on. */
    interceptCallback(between: (forward: FetchLike) => FetchLike) {
      callbackFetch = between(intoApp)
    },
    advance: ({ minutes = 0, hours = 0, seconds = 0 }) => {
      offsetMs += ((hours * 60 + minutes) * 60 + seconds) * 1000
    },
    housekeeping: processWide.housekeepingFor(connection.database),
    sweep: () => runScheduled(services),
    keepHouse: (keep: Partial<Retention> = {}, batches?: number) =>
      keepHouse(processWide.housekeepingFor(connection.database, budget), {
        keep: { sessionDays: 90, deliveryDays: 90, eventDays: 90, ...keep },
        batches,
      }),
    deliver: () => deliverDue(services),
    /** Resolves when the work that goes on after answers is over. */
    settled: () => Promise.allSettled(background),
    async stop() {
      await Promise.allSettled(background)
      targets.close()
      await processing?.close()
      await store.close()
      await connection.close()
      await fresh.drop()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

export type Harness = Awaited<ReturnType<typeof startHarness>>

/** Pseudorandom bytes: the same seed gives the same bytes. */
export function someBytes(count: number, seed = 1): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(count)
  let state = seed >>> 0 || 1
  for (let index = 0; index < count; index++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    bytes[index] = state >>> 24
  }
  return bytes
}

export interface SignedPart {
  partNumber: number
  url: string
  headers: Record<string, string>
  sizeBytes: number
}

/** Sends one part to the store as a client does. */
export const putPart = (
  part: SignedPart,
  bytes: Uint8Array<ArrayBuffer>,
  partSizeBytes: number,
): Promise<Response> => {
  const from = (part.partNumber - 1) * partSizeBytes
  return fetch(part.url, {
    method: 'PUT',
    headers: part.headers,
    body: bytes.subarray(from, from + part.sizeBytes),
  })
}
