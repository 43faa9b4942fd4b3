// Picks the adapters for a configuration. The service's only clock and source of randomness.
import { V7Generator } from 'uuidv7'
import { jwksCache } from './auth/jwks.ts'
import { createVault } from './auth/vault.ts'
import type { Config, StoreConfig } from './config.ts'
import { type Budget, counted, unbounded } from './core/ports/budget.ts'
import type { SendWebhook } from './core/ports/deliveries.ts'
import type { Log } from './core/ports/log.ts'
import type { Services } from './core/ports/services.ts'
import { Problem } from './core/problem.ts'
import { deriveTokenKeys } from './core/token.ts'
import { appsDb } from './db/apps.ts'
import { callbacksDb } from './db/callbacks.ts'
import type { Database } from './db/connect.ts'
import { deliveriesDb } from './db/deliveries.ts'
import { eventLogDb } from './db/event-log.ts'
import { housekeepingDueDb } from './db/housekeeping-due.ts'
import { missingKeys, readsAreFresh } from './db/readiness.ts'
import { retentionDb } from './db/retention.ts'
import { scansDb } from './db/scans.ts'
import { sealedDb } from './db/sealed.ts'
import { uploadsDb } from './db/uploads.ts'
import { fetchSender } from './delivery/send.ts'
import { checkedFetch } from './delivery/url-guard.ts'
import type { RequestServices } from './http/environment.ts'
import { openSources } from './storage/notifications/sources.ts'
import { openStore } from './storage/open.ts'

export interface ProcessOptions
  extends Pick<Config, 'adminKey' | 'allowPrivateTargets' | 'embedded'> {
  secretKeys: NonNullable<Config['secretKeys']>
  publicUrl: () => string
  /** Where stores report uploads, in order; at publicUrl unless given. */
  callbackUrls?: readonly string[]
  stores: readonly StoreConfig[]
  /** The embedded store's own callback key, trusted for the store "default" only. */
  embeddedCallbackKey?: string
  log: Log
  background: (work: Promise<unknown>) => void
  nudgeDeliveries?: () => void
  sendWebhook?: SendWebhook
  /** For webhooks and key sets, whose URLs tenants choose. Refuses forbidden targets; on Node it checks the resolved address. */
  targetFetch?: typeof fetch
  clock?: () => Date
  fetch?: typeof fetch
  storeTimeoutMs?: number
  delay?: (milliseconds: number) => Promise<void>
  /** False on Workers, where a request must not wait for a promise of another. */
  sharePromises?: boolean
}

/** For a process that embeds nothing, whose keys and public URL `parseConfig` has required. */
export const configured = (config: Config) => ({
  ...config,
  secretKeys: config.secretKeys!,
  publicUrl: () => config.publicUrl!,
  embedded: false,
})

/** Of one request or one scheduled run. */
export interface WorkOptions {
  background?: ProcessOptions['background']
  nudgeDeliveries?: () => void
  /** Bounds and counts the outgoing requests. */
  budget?: Budget
}

/** Services for the life of the process or isolate; `forDatabase` adds those for the life of a connection. */
export async function processServices(options: ProcessOptions) {
  const clock = options.clock ?? (() => new Date())
  const fetchFrom: typeof fetch = options.fetch ?? ((input, init) => fetch(input, init))
  const randomBytes = (count: number) => crypto.getRandomValues(new Uint8Array(count))
  const generator = new V7Generator({
    nextUint32: () => crypto.getRandomValues(new Uint32Array(1))[0]!,
  })
  const [tokenKeys, vault] = await Promise.all([
    deriveTokenKeys(options.secretKeys),
    createVault(options.secretKeys, randomBytes),
  ])
  const openStores = (from: typeof fetch) =>
    new Map(
      options.stores.map((config) => [
        config.name,
        openStore(config, {
          clock,
          fetch: from,
          newNonce: () => crypto.randomUUID(),
          timeoutMs: options.storeTimeoutMs,
          sharePromises: options.sharePromises,
          callbackKeyPem: config.name === 'default' ? options.embeddedCallbackKey : undefined,
        }),
      ]),
    )
  const processStores = openStores(fetchFrom)
  const { allowPrivateTargets: allowPrivate, sharePromises = true } = options
  const readinessMemory = { verifiedAt: Number.NEGATIVE_INFINITY }
  const keysMemory = { verifiedAt: Number.NEGATIVE_INFINITY }
  const targetFetch = (from: typeof fetch) =>
    options.targetFetch ?? checkedFetch(from, { allowPrivate })
  const openNotifications = openSources({ fetch: targetFetch(fetchFrom), clock })
  const sources = new Map(
    options.stores.map(({ name, notifications }) => [name, openNotifications(notifications)]),
  )
  const jwks = jwksCache({ fetch: targetFetch(fetchFrom), clock, sharePromises })

  const shared = {
    hasStore: (name: string) => processStores.has(name),
    notificationSources: (store: string) => sources.get(store) ?? [],
    tokenKeys,
    publicUrl: options.publicUrl,
    callbackUrls: () => options.callbackUrls ?? [options.publicUrl()],
    allowPrivateTargets: allowPrivate,
    embedded: options.embedded,
    adminKey: options.adminKey,
    clock,
    newId: (prefix: string) =>
      `${prefix}_${generator.generateOrResetCore(clock().getTime(), 10_000).toHex()}`,
    randomBytes,
    fetch: fetchFrom,
    delay:
      options.delay ??
      ((milliseconds: number) => new Promise<void>((end) => setTimeout(end, milliseconds))),
    log: options.log,
  } satisfies Partial<Services>

  return {
    /** For the job that removes old rows; no request needs them. */
    housekeepingFor: (database: Database, budget: Budget = unbounded) => ({
      due: housekeepingDueDb(database),
      eventLog: eventLogDb(database),
      retention: retentionDb(database),
      sealed: sealedDb(database, vault),
      clock,
      budget,
      log: options.log,
    }),
    forDatabase(database: Database, work: WorkOptions = {}): RequestServices {
      const { budget = unbounded, background = options.background } = work
      const apps = appsDb(database, vault)
      const from = work.budget ? counted(budget, fetchFrom) : fetchFrom
      const stores = work.budget ? openStores(from) : processStores
      return {
        ...shared,
        apps,
        uploads: uploadsDb(database),
        callbacks: callbacksDb(database),
        scans: scansDb(database),
        deliveries: deliveriesDb(database, vault),
        readsAreFresh: () => readsAreFresh(database, readinessMemory, clock()),
        missingKeys: () => missingKeys(sealedDb(database, vault), keysMemory, clock()),
        storeNamed(name: string) {
          const store = stores.get(name)
          if (store) return store
          throw new Problem('storage-unavailable', {
            detail: `The store "${name}" is not configured any more.`,
          })
        },
        sendWebhook: options.sendWebhook ?? fetchSender({ fetch: targetFetch(from) }),
        budget,
        background,
        nudgeDeliveries: work.nudgeDeliveries ?? options.nudgeDeliveries ?? (() => {}),
        authentication: { apps, tokenKeys, jwks: jwks(background), clock },
      }
    },
  }
}
