// The sweep's rules about one session: when it expires, when the sweep looks again, how long uploads may still arrive at the store,
// and whether to complete its parts without the client.
import { type Checksums, checksumTexts, readChecksum } from './checksum.ts'
import { type PartPlan, partDifferences } from './part-plan.ts'
import { POLICY_DEFAULTS } from './policy.ts'
import type { StoredPart } from './stored.ts'
import { ATTEMPT_WINDOW_MS, hasEnded, type UploadSession, wasOpen } from './upload-session.ts'

const MINUTE_MS = 60_000

/** How often the sweep looks at a session whose signatures do not bind the length of its parts. */
const WATCH_MS = 10 * MINUTE_MS
/** Until the newest part is this old, other parts or the client's own completion may follow. */
const QUIET_MS = 10 * MINUTE_MS
/** The longest life of the last URL of a single PUT, or of the last form. */
const LAST_URL_MS = 15 * MINUTE_MS
/** Allows for different clocks, and for a request that began before its URL or credential expired. */
const MARGIN_MS = 5 * MINUTE_MS
/** How long an initiate without an answer may still be on its way. */
const IN_FLIGHT_MS = 15 * MINUTE_MS

/** The life of credentials for a client's own SDK, which asks for new ones five minutes before they expire. */
export const CREDENTIAL_SECONDS = 3600

/** What the store lists for a session that is not completed. */
export interface StoredSoFar {
  parts: ReadonlyArray<Pick<StoredPart, 'partNumber' | 'sizeBytes'>>
  sizeBytes: number
  /** The newest part's LastModified. */
  newestAt?: Date
  /** Checksums of all parts in order. */
  checksums?: Checksums
}

/** The client's last create, GET or complete (`activeAt`), or its newest part, whichever is later. */
export const lastActivity = ({ activeAt }: UploadSession, stored?: StoredSoFar): number =>
  Math.max(activeAt.getTime(), stored?.newestAt?.getTime() ?? 0)

/** When an open session expires: after its idle time, or at its absolute end. */
export const endOf = ({ policy, expiresAt }: UploadSession, activity: number): number =>
  Math.min(
    activity + 1000 * (policy.idleSeconds ?? POLICY_DEFAULTS.idleSeconds),
    expiresAt.getTime(),
  )

/** How long after a session's end the sweep goes on asking a store that does not answer. */
const UNKNOWN_MS = 24 * 60 * MINUTE_MS

/** Whether to give up on a store that has not answered since the session's end. */
export const isGivenUp = ({ expiresAt }: UploadSession, now: Date): boolean =>
  now.getTime() - expiresAt.getTime() >= UNKNOWN_MS

/** Ten minutes after the creation; for a single PUT, once its first URL has expired. */
export const firstLookAt = ({ method, expiresAt }: UploadSession, now: Date): Date =>
  new Date(
    Math.min(
      expiresAt.getTime(),
      now.getTime() + (method === 'multipart' ? WATCH_MS : LAST_URL_MS + MINUTE_MS),
    ),
  )

/**
 * A watched session is looked at every ten minutes. One that may complete without its client is looked at less often the longer
 * it is idle, and every other one at its end.
 */
export function nextLookAt(
  session: UploadSession,
  { activity, isWatched, now }: { activity: number; isWatched: boolean; now: Date },
): Date {
  const since = now.getTime() - activity
  const mayComplete = session.method !== 'multipart' || completesAlone(session)
  const every = isWatched
    ? WATCH_MS
    : mayComplete
      ? Math.max(QUIET_MS, since)
      : Number.POSITIVE_INFINITY
  return new Date(Math.min(endOf(session, activity), now.getTime() + every))
}

const completesAlone = ({ policy }: UploadSession) =>
  policy.autoComplete !== undefined &&
  policy.autoComplete !== false &&
  policy.completion !== 'backend'

/** Allows one part too many, because some stores count a part twice while it is replaced. */
export function isOverSize(session: UploadSession, stored: StoredSoFar): boolean {
  const declared = session.plan.sizeBytes ?? session.reservedBytes
  return stored.sizeBytes > declared + session.plan.partSizeBytes
}

/** Whether policy and parts allow completing for the client. */
export function mayAutoComplete(session: UploadSession, stored: StoredSoFar, now: Date): boolean {
  const { plan, method, policy } = session
  if (method !== 'multipart' || !completesAlone(session) || !plan.sizeBytes) return false
  const newest = stored.newestAt?.getTime()
  if (newest === undefined || now.getTime() - newest < QUIET_MS) return false
  return (
    isWhole(plan, plan.sizeBytes, stored.parts) &&
    checksumAllows(session, stored, policy.autoComplete)
  )
}

function isWhole(plan: PartPlan, sizeBytes: number, parts: StoredSoFar['parts']): boolean {
  const { missing, unexpected, wrongSize } = partDifferences(plan, sizeBytes, parts)
  return !missing.length && !unexpected.length && !wrongSize.length
}

/** A declared checksum must match. One that the store cannot compare never matches. */
function checksumAllows(
  { checksum }: UploadSession,
  { checksums = {} }: StoredSoFar,
  autoComplete: boolean | 'unverified' | undefined,
): boolean {
  if (checksum === undefined) return autoComplete === 'unverified'
  const [declared] = checksumTexts(readChecksum(checksum))
  return checksumTexts(checksums).some((stored) => stored === declared)
}

/**
 * How long an ended session's URLs, credentials and unanswered initiates may still bring uploads to the store. Until then, an
 * empty listing does not prove that its storage is released.
 */
export function arrivalsUntil(session: UploadSession): number {
  const { method, state, endedAt, expiresAt, direct, attemptAt, leftoversAt } = session
  if (!endedAt || !hasEnded(state)) return Number.POSITIVE_INFINITY
  const ended = endedAt.getTime()
  const until = [0]
  if (leftoversAt) until.push(leftoversAt.getTime() + IN_FLIGHT_MS)
  if (direct && attemptAt) until.push(attemptAt.getTime() + ATTEMPT_WINDOW_MS + MARGIN_MS)
  if (method === 'credentials' && wasOpen(session)) {
    until.push(ended + CREDENTIAL_SECONDS * 1000 + MARGIN_MS)
  }
  if ((method === 'single' || method === 'form') && wasOpen(session)) {
    until.push(Math.min(ended + LAST_URL_MS, expiresAt.getTime()) + MARGIN_MS)
  }
  return Math.max(...until)
}

/** Less and less often after the end, and once more when nothing can arrive any longer. */
export function nextReleaseLookAt(session: UploadSession, now: Date): Date {
  const since = now.getTime() - (session.endedAt?.getTime() ?? 0)
  return new Date(Math.min(arrivalsUntil(session), now.getTime() + Math.max(MINUTE_MS, since)))
}
