// Everything that flows are handed, in one type. The ports beside this file are satisfied by adapters in storage/, db/, auth/ and
// delivery/, which src/services.ts picks. Time, ids and randomness come through here too.
import type { TokenKeys } from '../token.ts'
import type { AppsDb } from './apps.ts'
import type { Budget } from './budget.ts'
import type { CallbacksDb } from './callbacks.ts'
import type { DeliveriesDb, SendWebhook } from './deliveries.ts'
import type { Log } from './log.ts'
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
  /** Throws where the database does not answer; false where it answers reads from a cache: `/readyz`. */
  readsAreFresh(): Promise<boolean>
  /** What the operator has to do where rows name a key that SECRET_KEYS lacks; else undefined. */
  missingKeys(): Promise<string | undefined>
  /** Throws `storage-unavailable` for a name that is not configured. */
  storeNamed(name: string): ObjectStore
  hasStore(name: string): boolean
  tokenKeys: TokenKeys
  publicUrl: () => string
  /** Where stores report uploads: addresses of this service, in the order in which they are tried. */
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
  /** How many outgoing requests this run or request may still make. */
  budget: Budget
  /** Says that there may be deliveries to make. */
  nudgeDeliveries: () => void
  log: Log
}

export type IdPrefix = 'app' | 'key' | 'iss' | 'grt' | 'upl' | 'evt' | 'whe' | 'req'
