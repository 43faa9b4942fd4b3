// Principal: the caller of a request. An app and a subject own a session, whatever the kind of credential.
import { Problem } from './problem.ts'
import type { CompletionToken, GrantToken, UploadToken } from './token.ts'

export interface JwtPrincipal {
  kind: 'jwt'
  appId: string
  /** The issuer's prefix followed by the claim. */
  subject: string
  issuerId: string
  /** The claim alone. */
  issuerSubject: string
  /** Policies that the issuer's registration allows, best first. */
  policies: readonly string[]
  /** The policy that the token names, if the registration reads a claim for it. */
  claimedPolicy?: string
}

export interface GrantPrincipal {
  kind: 'grant'
  appId: string
  subject: string
  grant: GrantToken
  /** An expired grant creates nothing, but remains a credential for the sessions that it created. */
  expired: boolean
}

export interface ApiKeyPrincipal {
  kind: 'api-key'
  appId: string
  keyId: string
}

export type Principal = JwtPrincipal | GrantPrincipal | ApiKeyPrincipal

/** A verified bearer token of any kind. */
export type Credential =
  | Principal
  | { kind: 'upload'; appId: string; token: UploadToken; expired: boolean }
  | { kind: 'completion'; appId: string; token: CompletionToken; expired: boolean }

/** The name of the policy for a new upload. Throws `policy-not-found` or `forbidden`. */
export function policyNameFor(principal: Principal, requested: string | undefined): string {
  if (principal.kind === 'api-key') return requested ?? 'default'
  if (principal.kind === 'grant') {
    if (requested !== undefined && requested !== principal.grant.policy) {
      throw new Problem('forbidden', {
        detail: `This grant is for the policy "${principal.grant.policy}" only. Leave "policy" out.`,
      })
    }
    return principal.grant.policy
  }
  const { policies, claimedPolicy } = principal
  if (requested !== undefined) {
    if (policies.includes(requested)) return requested
    throw new Problem('policy-not-found', {
      detail: `The policy "${requested}" is not among those that this issuer may use.`,
    })
  }
  if (claimedPolicy !== undefined && policies.includes(claimedPolicy)) return claimedPolicy
  return policies[0] ?? 'default'
}

/** How many uploads a grant creates unless it says otherwise. */
export const MAX_UPLOADS_OF_A_GRANT = 100

export type GrantUse = GrantToken['use']

/** Throws `forbidden` for a grant of another `use`. */
export function checkUse(credential: Credential, use: GrantUse): void {
  if (credential.kind !== 'grant' || credential.grant.use === use) return
  throw new Problem('forbidden', {
    detail: `This grant is for "${credential.grant.use}" only: ask the app for one for "${use}".`,
  })
}
