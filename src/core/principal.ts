// Principal: who is calling. Whatever the credential, the owner of a session is (app, subject).
import { Problem } from './problem.ts'
import type { CompletionToken, GrantToken, UploadToken } from './token.ts'
import type { UploadSession } from './upload-session.ts'

export interface JwtPrincipal {
  kind: 'jwt'
  appId: string
  /** The issuer's prefix and the claim. */
  subject: string
  issuerId: string
  /** The claim alone. */
  issuerSubject: string
  /** Names of the policies that the registration allows, best first. */
  policies: readonly string[]
  /** The policy that the token itself names, where the registration reads one. */
  claimedPolicy?: string
}

export interface GrantPrincipal {
  kind: 'grant'
  appId: string
  subject: string
  grant: GrantToken
  /** An expired grant creates nothing; it stays the credential of the sessions that it created. */
  expired: boolean
}

export interface ApiKeyPrincipal {
  kind: 'api-key'
  appId: string
  keyId: string
}

export type Principal = JwtPrincipal | GrantPrincipal | ApiKeyPrincipal

/** Anything that came as `Authorization: Bearer …` and was verified. */
export type Credential =
  | Principal
  | { kind: 'upload'; appId: string; token: UploadToken; expired: boolean }
  | { kind: 'completion'; appId: string; token: CompletionToken; expired: boolean }

/** The name of the policy for a new upload. Throws `policy-not-found` or `forbidden`. */
export function policyNameFor(principal: Principal, asked: string | undefined): string {
  if (principal.kind === 'api-key') return asked ?? 'default'
  if (principal.kind === 'grant') {
    if (asked !== undefined && asked !== principal.grant.policy) {
      throw new Problem('forbidden', {
        detail: `This grant is for the policy "${principal.grant.policy}" only. Leave "policy" out.`,
      })
    }
    return principal.grant.policy
  }
  const { policies, claimedPolicy } = principal
  if (asked !== undefined) {
    if (policies.includes(asked)) return asked
    throw new Problem('policy-not-found', {
      detail: `The policy "${asked}" is not among those that this issuer may use.`,
    })
  }
  if (claimedPolicy !== undefined && policies.includes(claimedPolicy)) return claimedPolicy
  return policies[0] ?? 'default'
}

/** True where the credential is the owner's (or the App's own key) and has not run out for this session. */
export function mayManage(credential: Credential, session: UploadSession): boolean {
  if (credential.appId !== session.appId) return false
  switch (credential.kind) {
    case 'api-key':
      return true
    case 'jwt':
      return credential.subject === session.subject
    case 'grant':
      return (
        credential.subject === session.subject &&
        (!credential.expired || credential.grant.grant === session.grantId)
      )
    case 'upload':
    case 'completion':
      return false
    default:
      return credential satisfies never
  }
}
