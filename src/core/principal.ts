// Principal: who is calling. Whatever the credential, the owner of a session is (app, subject).
import { Problem } from './problem.ts'
import type { CompletionToken, GrantToken, UploadToken } from './token.ts'

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

/** What a grant counts to unless it says otherwise. */
export const MAX_UPLOADS_OF_A_GRANT = 100

export type GrantUse = GrantToken['use']

/** A grant serves the calls of its `use` and no others. */
export function checkUse(credential: Credential, use: GrantUse): void {
  if (credential.kind !== 'grant' || credential.grant.use === use) return
  throw new Problem('forbidden', {
    detail: `This grant is for "${credential.grant.use}" only: ask the app for one for "${use}".`,
  })
}
