// UploadSession: one authorised upload, its states, and the table of which state may follow which.
import type { Checksums } from './checksum.ts'
import type { ShownHeaders } from './object-headers.ts'
import type { PartPlan } from './part-plan.ts'
import type { Policy } from './policy.ts'
import type { ProcessingTask } from './processing.ts'
import type { ObjectSpec } from './stored.ts'

export const UPLOAD_STATES = [
  'initiating',
  'open',
  'completing',
  'completed',
  'aborted',
  'expired',
  'failed',
] as const
export type UploadState = (typeof UPLOAD_STATES)[number]

/** The transition table: every `update` that changes a state is guarded by one of these rows. */
const TRANSITIONS = {
  initiating: ['open', 'aborted', 'failed'],
  open: ['completing', 'completed', 'aborted', 'expired', 'failed'],
  completing: ['completed', 'open', 'failed'],
  completed: [],
  aborted: [],
  expired: [],
  failed: [],
} as const satisfies Record<UploadState, readonly UploadState[]>

export const statesBefore = (to: UploadState): UploadState[] =>
  UPLOAD_STATES.filter((from) => (TRANSITIONS[from] as readonly UploadState[]).includes(to))

export const hasEnded = (state: UploadState): boolean => TRANSITIONS[state].length === 0

/** Whether a client may hold URLs or tokens of an ended session: opening it is its first event, and any end the next. */
export const wasOpen = ({ revision }: Pick<UploadSession, 'revision'>): boolean => revision > 1

export const UPLOAD_METHODS = ['single', 'multipart', 'form', 'credentials'] as const
export type UploadMethod = (typeof UPLOAD_METHODS)[number]

export type CredentialKind = 'jwt' | 'grant' | 'api-key'

/** No abort, expiry or healing so soon after an attempt to complete, because the store may still be working on it. */
export const ATTEMPT_WINDOW_MS = 15 * 60_000

/** How many storage uploads a session may have, one after the other. */
export const MAX_GENERATIONS = 3

/** The failure of a session whose outcome the store never revealed. Nothing of it is deleted: an operator decides. */
export const OUTCOME_UNKNOWN = 'outcome-unknown'

export const isRetained = ({ failure }: Pick<UploadSession, 'failure'>): boolean =>
  failure === OUTCOME_UNKNOWN

export interface CompletedObject {
  key: string
  sizeBytes: number
  etag: string
  versionId?: string
  /** Computed by the store over the stored bytes. */
  checksums: Checksums
  /** The client's word only. */
  declared?: string
  /** Headers that the client of a single PUT, a form or temporary credentials set beside the policy. */
  headers?: ShownHeaders
}

export interface UploadSession {
  appId: string
  id: string
  subject: string
  credential: CredentialKind
  grantId?: string
  /** The issuer of the JWT that created the session, and the subject as that issuer names it. */
  issuerId?: string
  issuerSubject?: string
  policyName: string
  /** The policy as it was when the session began. */
  policy: Policy
  state: UploadState
  method: UploadMethod
  store: string
  key: string
  filename: string
  contentType: string
  plan: PartPlan
  reservedBytes: number
  fingerprint?: string
  /** Binds the session: declared at creation or for a signed direct completion. After completion, as declared for the object. */
  checksum?: string
  /** The declaration of the attempt under way. A takeover of its lease keeps it, but has another attempt number. */
  attemptDeclared?: AttemptDeclaration
  metadata?: Record<string, string>
  /** Tasks for the store once the object is there. */
  processing?: ProcessingTask[]
  storageUploadId?: string
  generation: number
  createdAt: Date
  activeAt: Date
  expiresAt: Date
  leaseUntil?: Date
  /** Counts attempts to complete. The caller that was given the latest number holds the lease. */
  attempt: number
  attemptAt?: Date
  /** The attempt before the one that holds the lease. */
  priorAttemptAt?: Date
  missingSince?: Date
  direct: boolean
  /**
   * A checksum of the parts for each time that they were checked, written like a declared one. After a direct completion was
   * signed, the object must have one of these. Undefined if the store reports none.
   */
  checkedChecksums?: string[]
  /** Since then the key may have storage uploads that no row names, because the answer to an initiate was lost. */
  leftoversAt?: Date
  endedAt?: Date
  storageReleasedAt?: Date
  object?: CompletedObject
  failure?: string
  revision: number
}

export interface EndOptions {
  /** A permanent code. */
  failure?: string
  /** Refuses the end if parts with one of these checksums have been checked. */
  unlessChecked?: Checksums
  /** Only from these states; by default from each that may come before, except `completing`. */
  from?: readonly UploadState[]
  /** Only while this attempt holds the lease. Without it, only outside the window after an attempt. */
  attempt?: number
  /** Only if no client has been active since. */
  activeAt?: Date
  /** Only after the lease of the request that initiates. */
  leaseEnded?: boolean
  /** The store has said that it began nothing, so no storage upload can be left there. */
  nothingBegun?: boolean
}

export const attemptIsRecent = (session: UploadSession, now: Date): boolean =>
  session.attemptAt !== undefined && now.getTime() - session.attemptAt.getTime() < ATTEMPT_WINDOW_MS

/** The size and checksum that a client gives for its file as it completes. */
export interface Declaration {
  sizeBytes?: number
  checksum?: string
}

export interface AttemptDeclaration extends Declaration {
  /** The number of the attempt that declared it. */
  attempt?: number
}

/** The attempt under way is checked against its own declaration, except that a binding checksum takes precedence. */
export const declarationOf = ({ checksum, attemptDeclared }: UploadSession): Declaration => ({
  sizeBytes: attemptDeclared?.sizeBytes,
  checksum: checksum ?? attemptDeclared?.checksum,
})

export const objectSpec = (session: UploadSession): ObjectSpec => ({
  key: session.key,
  uploadId: session.id,
  contentType: session.contentType,
  overwrite: session.policy.overwrite ?? 'never',
  headers: session.policy.object,
})
