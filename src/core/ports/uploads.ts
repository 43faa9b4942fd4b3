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

/** A request that its client repeats until it hears an answer, always with the same key. */
export interface IdempotentRequest {
  appId: string
  subject: string
  credential: CredentialKind
  key: string
  requestHash: string
}

const KEYS_KEPT_MS = 24 * 3600_000

/** Keys that are older stand for nothing any more. */
export const keysKeptSince = (now: Date): Date => new Date(now.getTime() - KEYS_KEPT_MS)

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
  /** Only what a grant reaches, and nothing where it was revoked. */
  reach?: GrantReach
  limit: number
  cursor?: string
}

/** Each method is one statement. A transition answers the session after it, or undefined where its guard refused. */
export interface UploadsDb extends RevocationDb {
  reserve(upload: NewUpload, now: Date): Promise<Reservation>
  /** Has an Idempotency-Key stand for a session that was resumed. False where it stands for one already. */
  keepKey(request: IdempotentRequest, uploadId: string, now: Date): Promise<boolean>
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
  /** `by` is the grant that asks: throws `grant-revoked`, in the same statement. */
  find(appId: string, id: string, by?: string): Promise<UploadSession | undefined>
  /** As find, and notes that the client is there. */
  touch(appId: string, id: string, now: Date, by?: string): Promise<UploadSession | undefined>
  list(appId: string, filter: UploadFilter): Promise<UploadSession[]>
  /** `open → completing` with this declaration, or the lease of a completion whose holder is gone, with its own. */
  claimCompletion(
    appId: string,
    id: string,
    declared: Declaration,
    now: Date,
    leaseUntil: Date,
  ): Promise<UploadSession | undefined>
  /** `completing → open` by the lease's holder: what was declared is forgotten; the attempt, too, where it was none. */
  reopen(
    session: UploadSession,
    options: { wasAttempt: boolean },
    now: Date,
  ): Promise<UploadSession | undefined>
  /** By the lease's holder, where a direct completion is out for other parts: the object may be of these, too. */
  recordChecked(
    session: UploadSession,
    checksums: Checksums,
    now: Date,
  ): Promise<UploadSession | undefined>
  /** Ends the lease and leaves the outcome to the next caller or the sweep; the attempt is forgotten where it was none. */
  releaseLease(
    session: UploadSession,
    options: { missing: boolean; wasAttempt: boolean },
    now: Date,
  ): Promise<UploadSession | undefined>
  /**
   * Records that a direct completion is being signed, for which parts: an attempt from now on. The session is bound to the
   * checksum that they were checked against; refused where it is bound to another one meanwhile.
   */
  recordDirect(
    appId: string,
    id: string,
    checked: { checksums: Checksums; checksum?: string },
    now: Date,
  ): Promise<UploadSession | undefined>
  finish(
    session: UploadSession,
    object: CompletedObject,
    event: WebhookEvent,
    now: Date,
  ): Promise<UploadSession | undefined>
  end(
    session: UploadSession,
    to: 'aborted' | 'expired' | 'failed',
    options: EndOptions,
    event: WebhookEvent,
    now: Date,
  ): Promise<UploadSession | undefined>
  /** Storage is gone for good: settles the bytes of the quota, once. */
  releaseStorage(session: UploadSession, now: Date): Promise<UploadSession | undefined>
  /** Before a storage upload is begun anew: whether this may be, and a note that its answer may be lost. */
  beginHeal(session: UploadSession, now: Date): Promise<UploadSession | undefined>
  /** Compare-and-set on (state, storage upload id). */
  heal(
    session: UploadSession,
    storageUploadId: string,
    now: Date,
  ): Promise<UploadSession | undefined>
  /** When the sweep looks at it next, unless the session has moved on since it was read. */
  scheduleSweep(session: UploadSession, at: Date): Promise<void>
  /** A completed session under whose key nothing was left. */
  clearLeftovers(session: UploadSession): Promise<void>
  /** Sessions with these ids, and unreleased ones whose storage uploads these are. */
  findOwners(
    appId: string,
    store: string,
    uploads: readonly StoredUpload[],
    ids?: readonly string[],
  ): Promise<UploadSession[]>
  /** Ends the lease of a reservation that the store did not answer, for a repeat to take over. */
  releaseReservation(session: UploadSession, now: Date): Promise<void>
  /** Unsettled sessions whose time has come, oldest first; each is put off so that a second sweeper takes others. */
  claimDue(appId: string, now: Date, again: Date, limit: number): Promise<UploadSession[]>
  /** Removes keys that stand for nothing any more. */
  forgetIdempotencyKeys(appId: string, now: Date): Promise<void>
  /** Whoever waits longest first. */
  appsWithDueWork(now: Date): Promise<string[]>
}
