// Upload sessions in the database. Each method is one statement.
import type { Checksums } from '../checksum.ts'
import type { WebhookEvent } from '../event.ts'
import type { Policy } from '../policy.ts'
import type { GrantReach } from '../reach.ts'
import type { StoredUpload } from '../stored.ts'
import type {
  CompletedObject,
  CredentialKind,
  Declaration,
  EndOptions,
  UploadSession,
  UploadState,
} from '../upload-session.ts'
import type { RevocationDb } from './revocation.ts'

/** A request that its client repeats with the same key until it gets an answer. */
export interface IdempotentRequest {
  appId: string
  subject: string
  credential: CredentialKind
  key: string
  requestHash: string
}

const KEY_LIFETIME_MS = 24 * 3600_000

export const keysExpireBefore = (now: Date): Date => new Date(now.getTime() - KEY_LIFETIME_MS)

export interface NewUpload
  extends Omit<UploadSession, 'state' | 'revision' | 'attempt' | 'direct'> {
  idempotent?: IdempotentRequest
  quota: NonNullable<Policy['quota']>
}

export type Reservation =
  | { kind: 'reserved'; session: UploadSession }
  | { kind: 'repeated'; session: UploadSession; requestHash: string }

export interface UploadFilter {
  subject?: string
  state?: UploadState
  fingerprint?: string
  /** Only sessions that a grant reaches, and none once it is revoked. */
  reach?: GrantReach
  limit: number
  cursor?: string
}

/** The session after its transition, or undefined if the guard refused. */
type Transitioned = Promise<UploadSession | undefined>

/** Each method is one statement. */
export interface UploadsDb extends RevocationDb {
  reserve(upload: NewUpload, now: Date): Promise<Reservation>
  /** Stores an Idempotency-Key for a session that is resumed. Returns false if the key belongs to a session already. */
  storeKey(request: IdempotentRequest, uploadId: string, now: Date): Promise<boolean>
  /** Takes over a reservation after the lease of its first request. */
  takeOver(appId: string, id: string, now: Date, leaseUntil: Date): Transitioned
  open(
    session: UploadSession,
    storageUploadId: string | undefined,
    event: WebhookEvent,
    now: Date,
  ): Transitioned
  /** `by` is the caller's grant. Throws `grant-revoked`. */
  find(appId: string, id: string, by?: string): Promise<UploadSession | undefined>
  /** As find, and records that the client is active. */
  touch(appId: string, id: string, now: Date, by?: string): Promise<UploadSession | undefined>
  /** Unfinished sessions of exactly this key, oldest first; several only where a policy replaces objects. */
  findByKey(appId: string, store: string, key: string): Promise<UploadSession[]>
  list(appId: string, filter: UploadFilter): Promise<UploadSession[]>
  /** `open → completing` with this declaration. Or takes over the ended lease of another attempt, and keeps that one's. */
  claimCompletion(
    appId: string,
    id: string,
    declared: Declaration,
    now: Date,
    leaseUntil: Date,
  ): Transitioned
  /** `completing → open` by the lease's holder, without the declaration. `wasAttempt: false` restores the attempt's time, too. */
  reopen(session: UploadSession, options: { wasAttempt: boolean }, now: Date): Transitioned
  /** Adds parts that the lease's holder has checked, because a signed direct completion may take them. */
  recordChecked(session: UploadSession, checksums: Checksums, now: Date): Transitioned
  /** Ends the lease and leaves the outcome to the next caller or the sweep. */
  releaseLease(
    session: UploadSession,
    options: { missing: boolean; wasAttempt: boolean },
    now: Date,
  ): Transitioned
  /**
   * Records the parts for which a direct completion is being signed: an attempt from now on. Binds the session to the checksum
   * that they were checked against, and refuses if it is bound to another one by now.
   */
  recordDirect(
    appId: string,
    id: string,
    checked: { checksums: Checksums; checksum?: string },
    now: Date,
  ): Transitioned
  finish(
    session: UploadSession,
    object: CompletedObject,
    event: WebhookEvent,
    now: Date,
  ): Transitioned
  end(
    session: UploadSession,
    to: 'aborted' | 'expired' | 'failed',
    options: EndOptions,
    event: WebhookEvent,
    now: Date,
  ): Transitioned
  /** Gives the bytes back to the quota, once, because nothing is left in the store. */
  releaseStorage(session: UploadSession, now: Date): Transitioned
  /** Permits a new storage upload, and notes that the answer to its initiate may be lost. */
  beginHeal(session: UploadSession, now: Date): Transitioned
  /** Compare-and-set on the state and the storage upload id. */
  heal(session: UploadSession, storageUploadId: string, now: Date): Transitioned
  /** Sets the sweep's next look at the session, unless it has changed since it was read. */
  scheduleSweep(session: UploadSession, at: Date): Promise<void>
  /** Makes an open session due for the sweep now. Changes no row if it is due already, so that many hints cost one look. */
  hastenSweep(session: Pick<UploadSession, 'appId' | 'id'>, now: Date): Promise<void>
  /** Of a completed session: nothing is left under its key. */
  clearLeftovers(session: UploadSession): Promise<void>
  /** Finds the sessions with these ids, and the unreleased sessions of these storage uploads. */
  findOwners(
    appId: string,
    store: string,
    uploads: readonly StoredUpload[],
    ids?: readonly string[],
  ): Promise<UploadSession[]>
  /** Ends the lease of a reservation whose initiate had no answer, so that a repeat can take it over. */
  releaseReservation(session: UploadSession, now: Date): Promise<void>
  /** Claims due sessions, oldest first. Each is postponed to `again`, so that a second sweeper takes others. */
  claimDue(appId: string, now: Date, again: Date, limit: number): Promise<UploadSession[]>
  /** Removes expired keys. */
  forgetIdempotencyKeys(appId: string, now: Date): Promise<void>
  /** The app that has waited longest comes first. */
  appsWithDueWork(now: Date): Promise<string[]>
}
