// Everything that flows depend on, including time, ids and randomness. src/services.ts picks the adapters of the ports beside
// this file from storage/, db/, auth/ and delivery/.
import type { TokenKeys } from '../token.ts'
import type { AppsDb } from './apps.ts'
import type { Budget } from './budget.ts'
import type { CallbacksDb } from './callbacks.ts'
import type { DeliveriesDb, SendWebhook } from './deliveries.ts'
import type { Log } from './log.ts'
import type { NotificationSource } from './notifications.ts'
import type { ObjectStore } from './object-store.ts'
import type { ScansDb } from './scans.ts'
import type { UploadsDb } from './uploads.ts'

/** Values and functions; never the configuration itself. */
export interface Services {
  uploads: UploadsDb
  callbacks: CallbacksDb
  scans: ScansDb
  apps: AppsDb
  deliveries: DeliveriesDb
  /** False if reads come from a cache. Throws if the database does not answer. */
  readsAreFresh(): Promise<boolean>
  /** Tells the operator what to do about keys that rows name and SECRET_KEYS lacks. Undefined if there are none. */
  missingKeys(): Promise<string | undefined>
  /** Throws `storage-unavailable` for a name that is not configured. */
  storeNamed(name: string): ObjectStore
  hasStore(name: string): boolean
  /** Who may report objects of this store. Empty for an unknown name. */
  notificationSources(store: string): readonly NotificationSource[]
  tokenKeys: TokenKeys
  publicUrl: () => string
  /** Addresses of this service to which stores report uploads, in the order of their tries. */
  callbackUrls: () => readonly string[]
  allowPrivateTargets: boolean
  embedded: boolean
  adminKey: string | undefined
  clock: () => Date
  newId: (prefix: IdPrefix) => string
  randomBytes: (count: number) => Uint8Array<ArrayBuffer>
  fetch: typeof fetch
  sendWebhook: SendWebhook
  /** Resolves after this long, or as soon as the signal aborts. */
  delay: (milliseconds: number) => Promise<void>
  /** Keeps work going after the answer (waitUntil on Workers). */
  background: (work: Promise<unknown>) => void
  budget: Budget
  /** Called when a delivery may be due. */
  nudgeDeliveries: () => void
  log: Log
}

export type IdPrefix = 'app' | 'key' | 'iss' | 'grt' | 'upl' | 'evt' | 'whe' | 'req'
