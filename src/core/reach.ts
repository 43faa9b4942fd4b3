// Decides which sessions a credential reaches, whether it reads their objects, and which tokens it gets. The statement that reads
// the session also checks whether a grant was revoked (`by` in UploadsDb).
import type { Credential, GrantPrincipal, Principal } from './principal.ts'
import { Problem } from './problem.ts'
import { hasEnded, type UploadSession } from './upload-session.ts'

/** How long an expired grant still reaches a session that it created, once the session has ended. */
const AFTER_END_MS = 24 * 3600_000

export const noSuchUpload = () =>
  new Problem('upload-not-found', {
    detail: 'There is no such upload for this credential. Check the id and whose it is.',
  })

export const grantRevoked = () =>
  new Problem('grant-revoked', { detail: 'Ask the app for a new grant.' })

/** A grant always reaches the sessions that it created. */
export interface GrantReach {
  grantId: string
  /** Also unfinished sessions of its subject under this policy. */
  unfinishedUnder?: string
  /** Leaves out its own sessions that ended earlier. */
  endedSince?: Date
}

export function grantReach({ grant, expired }: GrantPrincipal, now: Date): GrantReach {
  const grantId = grant.grant
  if (expired) return { grantId, endedSince: new Date(now.getTime() - AFTER_END_MS) }
  return grant.reach === 'own' ? { grantId } : { grantId, unfinishedUnder: grant.policy }
}

function isWithin(reach: GrantReach, session: UploadSession): boolean {
  if (session.grantId === reach.grantId) {
    return !session.endedAt || !reach.endedSince || session.endedAt >= reach.endedSince
  }
  return !hasEnded(session.state) && session.policyName === reach.unfinishedUnder
}

/** False means that the session does not exist for this credential. */
export function reaches(credential: Credential, session: UploadSession, now: Date): boolean {
  if (credential.appId !== session.appId) return false
  switch (credential.kind) {
    case 'api-key':
      return true
    case 'jwt':
      return credential.subject === session.subject
    case 'grant':
      return (
        credential.subject === session.subject && isWithin(grantReach(credential, now), session)
      )
    case 'upload':
    case 'completion':
      return credential.token.upload === session.id
    default:
      return credential satisfies never
  }
}

/** A grant reads only objects of sessions that it created, and only if the policy allows it. */
const grantReads = (grantId: string | undefined, { policy, grantId: creator }: UploadSession) =>
  policy.readBack === true && (grantId === undefined || grantId === creator)

/** Assumes that the credential reaches the session. */
export function mayReadObject(credential: Credential, session: UploadSession): boolean {
  switch (credential.kind) {
    case 'api-key':
    case 'jwt':
      return true
    case 'grant':
      return grantReads(credential.grant.grant, session)
    case 'upload':
      return credential.token.readBack === true
    case 'completion':
      return false
    default:
      return credential satisfies never
  }
}

/** A live grant also copies from completed sessions of its subject and policy. The flow checks `delta`. */
export function mayCopyFrom(principal: Principal, source: UploadSession, now: Date): boolean {
  if (reaches(principal, source, now)) return true
  if (principal.kind !== 'grant' || principal.appId !== source.appId) return false
  return (
    source.state === 'completed' &&
    source.subject === principal.subject &&
    source.policyName === grantReach(principal, now).unfinishedUnder
  )
}

/** The caller that gets a session's tokens. */
export interface Holder {
  /** Tokens name the grant that got them, and are revoked with it. */
  grantId?: string
  /** False for an upload token, which gets no completion token. */
  isOwner: boolean
  /** The grant leaves completion to the backend. */
  backendCompletes: boolean
}

export function holderOf(credential: Credential): Holder {
  const isOwner = credential.kind !== 'upload'
  const backendCompletes = credential.kind === 'grant' && credential.grant.completion === 'backend'
  return { grantId: grantOf(credential), isOwner, backendCompletes }
}

export const getsReadBack = ({ grantId }: Holder, session: UploadSession): boolean =>
  grantReads(grantId, session)

/** The grant whose revocation revokes this credential. */
export function grantOf(credential: Credential): string | undefined {
  switch (credential.kind) {
    case 'grant':
      return credential.grant.grant
    case 'upload':
    case 'completion':
      return credential.token.grant
    case 'jwt':
    case 'api-key':
      return undefined
    default:
      return credential satisfies never
  }
}
