// What the sweep decides about one session, as pure rules: when it has been idle too long, when it is looked at again,
// when nothing of it can arrive at the store any more, and whether its parts may be completed without the client.
import { type Checksums, checksumTexts, readChecksum } from './checksum.ts'
import { type PartPlan, partDifferences } from './part-plan.ts'
import { POLICY_DEFAULTS } from './policy.ts'
import type { StoredPart } from './stored.ts'
import { ATTEMPT_WINDOW_MS, hasEnded, type UploadSession, wasOpen } from './upload-session.ts'

const MINUTE_MS = 60_000

/** Where the signature does not bind a part's length, sessions older than this are watched, each time after as long. */
export const WATCH_MS = 10 * MINUTE_MS
/** Parts younger than this may still be followed by others, or by the client's own completion. */
export const SETTLED_PARTS_MS = 10 * MINUTE_MS
/** A single PUT’s URL ends with its token, which was minted before the session’s end, as a form was signed. */
const LAST_URL_MS = 15 * MINUTE_MS
/** For clocks that differ, and for a request that had begun when its URL or credential ended. */
const MARGIN_MS = 5 * MINUTE_MS
/** An initiate that nobody waits for any more may still be on its way. */
const IN_FLIGHT_MS = 15 * MINUTE_MS

/** Credentials that a client's own SDK got live so long, and longer than five minutes before it asks again. */
export const CREDENTIAL_SECONDS = 3600

/** What the store shows of a session that is not completed. */
export interface StoredSoFar {
  parts: ReadonlyArray<Pick<StoredPart, 'partNumber' | 'sizeBytes'>>
  sizeBytes: number
  /** The newest part's LastModified. */
  newestAt?: Date
  /** Checksums of all parts in order. */
  checksums?: Checksums
}

/** Activity is the newest of create, GET and complete (`activeAt`) and of the parts as the store saw them. */
export const lastActivity = ({ activeAt }: UploadSession, stored?: StoredSoFar): number =>
  Math.max(activeAt.getTime(), stored?.newestAt?.getTime() ?? 0)

/** When an open session ends by itself: idle, or at its absolute end. */
export const endOf = ({ policy, expiresAt }: UploadSession, activity: number): number =>
  Math.min(
    activity + 1000 * (policy.idleSeconds ?? POLICY_DEFAULTS.idleSeconds),
    expiresAt.getTime(),
  )

/** So long after its end the store is still asked what became of a session. */
const UNKNOWN_MS = 24 * 60 * MINUTE_MS

/** Nobody will know any more: the store has told nothing since the session's end. */
export const isGivenUp = ({ expiresAt }: UploadSession, now: Date): boolean =>
  now.getTime() - expiresAt.getTime() >= UNKNOWN_MS

/** First after ten minutes; a single PUT has arrived by the time its first URL has ended, or never by it. */
export const firstLookAt = ({ method, expiresAt }: UploadSession, now: Date): Date =>
  new Date(
    Math.min(
      expiresAt.getTime(),
      now.getTime() + (method === 'multipart' ? WATCH_MS : LAST_URL_MS + MINUTE_MS),
    ),
  )

/**
 * A watched session is looked at each ten minutes. One that may complete without its client is looked at less and
 * less often the longer nothing came; all others at their end.
 */
export function nextLookAt(
  session: UploadSession,
  { activity, watched, now }: { activity: number; watched: boolean; now: Date },
): Date {
  const since = now.getTime() - activity
  const mayComplete = session.method !== 'multipart' || completesAlone(session)
  const every = watched
    ? WATCH_MS
    : mayComplete
      ? Math.max(SETTLED_PARTS_MS, since)
      : Number.POSITIVE_INFINITY
  return new Date(Math.min(endOf(session, activity), now.getTime() + every))
}

const completesAlone = ({ policy }: UploadSession) =>
  policy.autoComplete !== undefined &&
  policy.autoComplete !== false &&
  policy.completion !== 'backend'

/** More than one part too much: a part that is being replaced counts twice at some stores. */
export function isOverSize(session: UploadSession, stored: StoredSoFar): boolean {
  const declared = session.plan.sizeBytes ?? session.reservedBytes
  return stored.sizeBytes > declared + session.plan.partSizeBytes
}

/** Whether policy and parts allow completing in the client's place. */
export function mayAutoComplete(session: UploadSession, stored: StoredSoFar, now: Date): boolean {
  const { plan, method, policy } = session
  if (method !== 'multipart' || !completesAlone(session) || !plan.sizeBytes) return false
  const newest = stored.newestAt?.getTime()
  if (newest === undefined || now.getTime() - newest < SETTLED_PARTS_MS) return false
  return (
    isWhole(plan, plan.sizeBytes, stored.parts) &&
    isVouchedFor(session, stored, policy.autoComplete)
  )
}

function isWhole(plan: PartPlan, sizeBytes: number, parts: StoredSoFar['parts']): boolean {
  const { missing, unexpected, wrongSize } = partDifferences(plan, sizeBytes, parts)
  return !missing.length && !unexpected.length && !wrongSize.length
}

/** A declared checksum has to match. One that the store cannot compare never does. */
function isVouchedFor(
  { checksum }: UploadSession,
  { checksums = {} }: StoredSoFar,
  autoComplete: boolean | 'unverified' | undefined,
): boolean {
  if (checksum === undefined) return autoComplete === 'unverified'
  const [declared] = checksumTexts(readChecksum(checksum))
  return checksumTexts(checksums).some((stored) => stored === declared)
}

/**
 * Until when something of an ended session may still arrive at the store: by a URL or credential that it gave away, or by an
 * initiate whose answer is not known. Only after that a clean look means that its storage is released.
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

/** Less and less often, so that what comes late does not lie long, and once more when nothing can come. */
export function nextReleaseLookAt(session: UploadSession, now: Date): Date {
  const since = now.getTime() - (session.endedAt?.getTime() ?? 0)
  return new Date(Math.min(arrivalsUntil(session), now.getTime() + Math.max(MINUTE_MS, since)))
}
