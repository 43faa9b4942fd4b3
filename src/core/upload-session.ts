// UploadSession: one authorised upload, its states and which state may follow which.
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

/** The states from which `to` can be reached. */
export const statesBefore = (to: UploadState): UploadState[] =>
  UPLOAD_STATES.filter((from) => (TRANSITIONS[from] as readonly UploadState[]).includes(to))

export const hasEnded = (state: UploadState): boolean => TRANSITIONS[state].length === 0

/** Of an ended session: whether a client was ever handed anything. Its creation is its first event, told as it opens. */
export const wasOpen = ({ revision }: Pick<UploadSession, 'revision'>): boolean => revision > 1

export const UPLOAD_METHODS = ['single', 'multipart', 'form', 'credentials'] as const
export type UploadMethod = (typeof UPLOAD_METHODS)[number]

export type CredentialKind = 'jwt' | 'grant' | 'api-key'

/** No abort, expiry or re-creation this long after an attempt to complete: the store may still be at it. */
export const ATTEMPT_WINDOW_MS = 15 * 60_000

/** How often a lost storage upload is re-created behind the same session. */
export const MAX_GENERATIONS = 3

/** Failed, because the store never told what became of it. Nothing of it is deleted: an operator decides. */
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
  /** Of a session that a user JWT created: whose it was, and the subject as that issuer says it. */
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
  /** Binds the session: declared at its creation, or for a direct completion that was signed. Once completed, of its object. */
  checksum?: string
  /** What the attempt to complete under way declares. A takeover of its lease keeps this, and gets another attempt number. */
  attemptDeclared?: AttemptDeclaration
  metadata?: Record<string, string>
  /** What the store is asked to make of the object once it is there. */
  processing?: ProcessingTask[]
  storageUploadId?: string
  generation: number
  createdAt: Date
  activeAt: Date
  expiresAt: Date
  leaseUntil?: Date
  /** Counts attempts to complete; whoever holds the number holds the lease. */
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
  /** Since when storage uploads may be left under the key that no row names: of an initiate whose answer is not known. */
  leftoversAt?: Date
  endedAt?: Date
  storageReleasedAt?: Date
  object?: CompletedObject
  failure?: string
  revision: number
}

export interface EndOptions {
  /** Why it failed: a permanent code. */
  failure?: string
  /** Not if parts with one of these checksums were checked meanwhile. */
  unlessChecked?: Checksums
  /** Only from these states; by default from every one that may come before. */
  from?: readonly UploadState[]
  /** Only while this attempt holds the lease; without it, only outside the window after an attempt. */
  attempt?: number
  /** Only where no client was seen since. */
  activeAt?: Date
  /** Only where no request is initiating any more. */
  leaseEnded?: boolean
  /** The store said that it began nothing: nothing can be left there, and the grant has lost nothing. */
  nothingBegun?: boolean
}

export const attemptIsRecent = (session: UploadSession, now: Date): boolean =>
  session.attemptAt !== undefined && now.getTime() - session.attemptAt.getTime() < ATTEMPT_WINDOW_MS

/** What a client says of its file as it completes. */
export interface Declaration {
  sizeBytes?: number
  checksum?: string
}

export interface AttemptDeclaration extends Declaration {
  /** The number of the attempt that declared it. */
  attempt?: number
}

/** What the attempt under way is checked against: what binds the session, and otherwise what the attempt declares. */
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
