// An ObjectStore from a dialect and a signer. Forms, direct completion, processing and callbacks are the dialect's own.
import type { ObjectStore } from '../../core/ports/object-store.ts'
import { type CallerOptions, caller, type Signer } from './call.ts'
import type { Dialect } from './dialect.ts'
import { restListing } from './listing.ts'
import { restMultipart } from './multipart.ts'
import { restObjects } from './objects.ts'
import { restPresign } from './presign.ts'

export interface RestStoreOptions extends CallerOptions {
  name: string
  bucket: string
  region: string
  /** For clients' own SDKs. */
  publicEndpoint: { url: string }
  credentials: { sessionToken?: string }
  /** The end of temporary credentials, if it is known. */
  credentialsExpireAt?: Date
  /** Sign the exact Content-Length of parts. */
  bindLength: boolean
  exclusive?: boolean
  cleanupDays?: number
  issueCredentials?: ObjectStore['issueCredentials']
}

/** The dependencies of a store, besides its settings. */
export interface StoreWorld extends CallerOptions {
  newNonce: () => string
  /** False on Workers, where a request must not wait for a promise of another. */
  sharePromises?: boolean
  /** Signs callbacks in place of the dialect's own key: the embedded store's, SPKI PEM. */
  callbackKeyPem?: string
}

/** Without callbacks, which each dialect verifies in its own way. */
export function restStore(
  dialect: Dialect,
  signer: Signer,
  options: RestStoreOptions,
): Omit<ObjectStore, 'verifyCallback' | 'readCallback'> {
  const { bucket, region, credentials, credentialsExpireAt } = options
  const calls = caller(signer, dialect.failures, options)
  const objects = restObjects(calls, dialect)
  return {
    name: options.name,
    limits: dialect.limits,
    objectHeaderRules: dialect.objectHeaderRules,
    createOnlyPut: dialect.createOnlyPut,
    verifiableChecksums: dialect.verifiableChecksums,
    bindsLength: options.bindLength,
    exclusive: options.exclusive ?? false,
    cleanupSeconds: (options.cleanupDays ?? Number.POSITIVE_INFINITY) * 86_400,
    location: { endpoint: options.publicEndpoint.url, region, bucket },
    issueCredentials: options.issueCredentials,

    maxUrlSeconds(from) {
      const { longLived, temporary } = dialect.maxUrlSeconds
      const most = credentials.sessionToken ? temporary : longLived
      if (!credentialsExpireAt) return most
      return Math.min(most, Math.floor((credentialsExpireAt.getTime() - from.getTime()) / 1000))
    },

    ...restPresign(signer, dialect, options),
    ...restMultipart(calls, dialect, bucket, objects),
    ...restListing(calls, dialect),
    ...objects,
  }
}
