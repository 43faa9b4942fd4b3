// The ports: what flows need from the outside, as small types. Adapters in storage/, db/, auth/ and delivery/ satisfy them;
// services.ts picks them. Time, ids and randomness come through here too.
import type { WebhookEvent } from './event.ts'
import type { Part, PartLimits } from './part-plan.ts'
import type { ObjectHeaders, Policy } from './policy.ts'
import type { TokenKeys } from './token.ts'
import type { CompletedObject, UploadSession, UploadState } from './upload-session.ts'

// — the store ————————————————————————————————————————————————————————————————————————————————————

/** The object that a session will make. Its `uploadId` becomes the stamp. */
export interface ObjectSpec {
  key: string
  uploadId: string
  contentType: string
  overwrite: 'never' | 'replace'
  headers?: ObjectHeaders
}

/** A storage upload in progress. */
export interface StoredUpload {
  key: string
  storageUploadId: string
}

export interface StoredPart extends Part {
  etag: string
  /** Unsigned decimal, as OSS writes it. */
  crc64?: string
  lastModified: Date
}

export interface StoredObject {
  key: string
  sizeBytes: number
  etag: string
  versionId?: string
  crc64?: string
  contentType?: string
  lastModified?: Date
  /** The stamp: the id of the session that made it, if one of ours did. */
  uploadId?: string
}

export interface SignedRequest {
  method: 'PUT' | 'POST' | 'GET'
  url: string
  /** What the sender must send, exactly; nothing else that is signed may be added. */
  headers: Record<string, string>
}

/** A part to sign; `contentMd5` is base64 and becomes a signed header. */
export interface PartToSign extends Part {
  contentMd5?: string
}

export interface Validity {
  from: Date
  seconds: number
}

/** A request as it arrived, for signatures that cover the bytes on the wire. */
export interface RawRequest {
  method: string
  /** Still percent-encoded, without the query. */
  rawPath: string
  /** '' or '?…' as received. */
  rawQuery: string
  headers: Headers
  body: Uint8Array
}

/** What a store's callback says, once its signature holds. Still only a hint. */
export type CallbackFields = Record<string, string>

export interface ObjectStore {
  readonly name: string
  readonly dialect: 'oss' | 's3'
  readonly limits: PartLimits
  /** True where the signature of a single PUT can refuse a second write. */
  readonly createOnlyPut: boolean
  /** `crc64` where HEAD and ListParts report CRC64 and a declared one can be verified. */
  readonly verifiableChecksums: readonly string[]
  /** Seconds that a URL may live at most, from `from`: signing credentials may end. */
  maxUrlSeconds(from: Date): number
  /** POST /v1/uploads, and healing. Answers the storage upload id. */
  initiate(object: ObjectSpec): Promise<string>
  /** POST /v1/uploads/{id}/parts. Pure. */
  presignParts(
    upload: StoredUpload,
    parts: readonly PartToSign[],
    validity: Validity,
  ): SignedRequest[]
  /** The one PUT of a `single` upload. Pure. */
  presignPut(object: ObjectSpec, part: PartToSign, validity: Validity): SignedRequest
  /** GET /v1/uploads/{id}/object. Pure. */
  presignGet(key: string, filename: string, validity: Validity): SignedRequest
  /** Present where the client may complete at the store and the store reports it. Pure. */
  presignComplete?(
    upload: StoredUpload,
    callback: { url: string; token: string },
    object: Pick<ObjectSpec, 'overwrite'>,
    validity: Validity,
  ): SignedRequest
  /** All pages, one at a time. Throws StoreFailure `no-such-upload` where the store no longer knows it. */
  listParts(upload: StoredUpload): AsyncIterable<StoredPart[]>
  complete(
    upload: StoredUpload,
    parts: ReadonlyArray<Pick<StoredPart, 'partNumber' | 'etag'>>,
    object: Pick<ObjectSpec, 'overwrite'>,
  ): Promise<void>
  /** Throws StoreFailure `no-such-upload` where there is nothing (left) to abort. */
  abort(upload: StoredUpload): Promise<void>
  /** Storage uploads in progress under exactly this key: what an initiate without an answer may have left. */
  listUploads(key: string): Promise<StoredUpload[]>
  head(key: string): Promise<StoredObject | undefined>
  putEmpty(object: ObjectSpec): Promise<void>
  delete(key: string, only: { ifMatch: string }): Promise<void>
  /** What the callback says, or undefined where its signature does not hold. No outgoing request. */
  verifyCallback(request: RawRequest): CallbackFields | undefined
  /** Reads a callback's body without believing it: to find the session that it speaks of. */
  readCallback(request: RawRequest): CallbackFields | undefined
}

// — the database ——————————————————————————————————————————————————————————————————————————————————

export interface NewUpload
  extends Omit<UploadSession, 'state' | 'revision' | 'attempt' | 'direct'> {
  idempotencyKey?: string
  quota: NonNullable<Policy['quota']>
}

export type Reservation =
  | { kind: 'reserved'; session: UploadSession }
  | { kind: 'repeated'; session: UploadSession; requestHash?: string }

export interface UploadFilter {
  subject?: string
  state?: UploadState
  fingerprint?: string
  grantId?: string
  limit: number
  cursor?: string
}

/** Each method is one statement. A transition answers the session after it, or undefined where its guard refused. */
export interface UploadsDb {
  reserve(upload: NewUpload, now: Date): Promise<Reservation>
  /** Takes over a reservation whose first request died: the lease must have ended. */
  takeOver(
    appId: string,
    id: string,
    now: Date,
    leaseUntil: Date,
  ): Promise<UploadSession | undefined>
  open(
    session: UploadSession,
    storageUploadId: string | undefined,
    event: WebhookEvent,
    now: Date,
  ): Promise<UploadSession | undefined>
  find(appId: string, id: string): Promise<UploadSession | undefined>
  /** As find, and notes that the client is there. */
  touch(appId: string, id: string, now: Date): Promise<UploadSession | undefined>
  list(appId: string, filter: UploadFilter): Promise<UploadSession[]>
  /** `open → completing`, or the lease of a completion whose holder is gone. */
  claimCompletion(
    appId: string,
    id: string,
    declared: { sizeBytes?: number; checksum?: string },
    now: Date,
    leaseUntil: Date,
  ): Promise<UploadSession | undefined>
  /** `completing → open` by the lease's holder. `wasAttempt: false` forgets the attempt. */
  reopen(
    session: UploadSession,
    options: { wasAttempt: boolean },
    now: Date,
  ): Promise<UploadSession | undefined>
  /** Ends the lease and leaves the outcome to the next caller or the sweep. */
  releaseLease(session: UploadSession, options: { missing: boolean }, now: Date): Promise<void>
  /** Records that a direct completion is being signed: an attempt from now on. */
  recordDirect(appId: string, id: string, now: Date): Promise<UploadSession | undefined>
  finish(
    session: UploadSession,
    object: CompletedObject,
    event: WebhookEvent,
    now: Date,
  ): Promise<UploadSession | undefined>
  end(
    session: UploadSession,
    to: 'aborted' | 'expired' | 'failed',
    options: { failure?: string; from?: readonly UploadState[]; attempt?: number },
    event: WebhookEvent,
    now: Date,
  ): Promise<UploadSession | undefined>
  /** Storage is gone for good: settles the quota, once. */
  releaseStorage(session: UploadSession, now: Date): Promise<UploadSession | undefined>
  /** Compare-and-set on (state, storage upload id). */
  heal(
    session: UploadSession,
    storageUploadId: string,
    now: Date,
  ): Promise<UploadSession | undefined>
  /** When the sweep looks at it next. */
  scheduleSweep(session: UploadSession, at: Date): Promise<void>
  /** Ends the lease of a reservation that the store did not answer, for a repeat to take over. */
  releaseReservation(session: UploadSession, now: Date): Promise<void>
  /** Unsettled sessions whose time has come, oldest first; each is put off so that a second sweeper takes others. */
  claimDue(appId: string, now: Date, again: Date, limit: number): Promise<UploadSession[]>
  /** Frees idempotency keys older than a day. */
  forgetIdempotencyKeys(appId: string, before: Date): Promise<void>
  appsWithDueWork(now: Date): Promise<string[]>
}

export interface CallbackRow {
  appId: string
  uploadId: string
  requestId: string
  store: string
  body: CallbackFields
}

export interface CallbacksDb {
  /** Durable before it is answered. Says whether the session exists and how many rows it already has. */
  insert(
    row: CallbackRow,
    now: Date,
  ): Promise<{ session?: UploadSession; inserted: boolean; rows: number }>
  markProcessed(row: CallbackRow, outcome: string, now: Date): Promise<void>
  unprocessed(appId: string, before: Date, limit: number): Promise<CallbackRow[]>
}

export interface App {
  id: string
  name: string
  keyPrefix: string
  allowedOrigins: string[]
}

export interface Issuer {
  appId: string
  issuerId: string
  issuer: string
  audience: string
  jwksUrl?: string
  publicKeys?: Record<string, unknown>[]
  secret?: string
  algorithms: string[]
  policies: string[]
  subjectClaim: string
  policyClaim?: string
}

export interface GrantRow {
  appId: string
  grantId: string
  subject: string
  policy: string
  use: string
  completion?: string
  maxUploads?: number
  maxBytes?: number
  expiresAt: Date
}

export interface AppsDb {
  createApp(
    app: App,
    apiKey: { keyId: string; hash: string },
    policy: Policy | undefined,
    now: Date,
  ): Promise<void>
  findApp(appId: string): Promise<App | undefined>
  putPolicy(appId: string, name: string, policy: Policy, now: Date): Promise<boolean>
  findPolicy(appId: string, name: string): Promise<{ app: App; policy?: Policy } | undefined>
  createIssuer(issuer: Issuer, now: Date): Promise<void>
  findIssuers(issuer: string, audiences: readonly string[]): Promise<Issuer[]>
  findApiKey(appId: string, hash: string): Promise<{ keyId: string } | undefined>
  createGrant(grant: GrantRow, now: Date): Promise<void>
  revokeGrant(appId: string, grantId: string, now: Date): Promise<boolean>
  grantIsRevoked(appId: string, grantId: string): Promise<boolean>
}

export type DeliveryState = 'pending' | 'delivered' | 'failed'

export interface Delivery {
  appId: string
  id: string
  eventId: string
  endpointId: string
  type: string
  body: string
  state: DeliveryState
  attemptCount: number
  /** Attempts since creation or the last replay: what the schedule counts. */
  scheduledAttempts: number
  nextAttemptAt?: Date
  createdAt: Date
}

export interface Attempt {
  at: Date
  status?: number
  latencyMs: number
  reason?: string
}

export interface WebhookEndpoint {
  appId: string
  id: string
  url: string
  events?: string[]
  secret: string
}

export interface DeliveriesDb {
  createEndpoint(endpoint: WebhookEndpoint, now: Date): Promise<void>
  findEndpoint(appId: string, id: string): Promise<WebhookEndpoint | undefined>
  claim(appId: string, now: Date, leaseUntil: Date, limit: number): Promise<Delivery[]>
  record(
    delivery: Delivery,
    attempt: Attempt,
    next: { state: DeliveryState; at?: Date },
  ): Promise<void>
  list(
    appId: string,
    endpointId: string,
    page: { limit: number; cursor?: string },
  ): Promise<Array<Delivery & { attempts: Attempt[] }>>
  replay(appId: string, id: string, now: Date): Promise<boolean>
  appsWithDueDeliveries(now: Date): Promise<string[]>
}

/** Encrypts secrets at rest. */
export interface Vault {
  seal(plain: string): Promise<string>
  open(sealed: string): Promise<string>
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'
export type Log = (level: LogLevel, message: string, fields?: Record<string, unknown>) => void

/** Sends one webhook: no redirects, bounded in time and answer size, and only to allowed addresses. */
export type SendWebhook = (
  url: string,
  headers: Record<string, string>,
  body: string,
) => Promise<{ status: number }>

// — all of it ——————————————————————————————————————————————————————————————————————————————————————

/** Values and functions; never the configuration itself. */
export interface Services {
  uploads: UploadsDb
  callbacks: CallbacksDb
  apps: AppsDb
  deliveries: DeliveriesDb
  /** Asks the database one question: `/readyz`. */
  pingDatabase(): Promise<void>
  /** Throws `storage-unavailable` for a name that is not configured. */
  storeNamed(name: string): ObjectStore
  hasStore(name: string): boolean
  tokenKeys: TokenKeys
  publicUrl: () => string
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
  /** Says that there may be deliveries to make. */
  nudgeDeliveries: () => void
  log: Log
}

export type IdPrefix = 'app' | 'key' | 'iss' | 'grt' | 'upl' | 'evt' | 'whe' | 'req'
