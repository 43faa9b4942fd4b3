// Apps and what they own in the database: policies, issuers, api keys, grants.
import type { ClaimConditions } from '../claims.ts'
import type { Policy } from '../policy.ts'

export interface App {
  id: string
  name: string
  keyPrefix: string
  allowedOrigins: string[]
}

export interface Issuer {
  appId: string
  issuerId: string
  issuer: string
  audience: string
  jwksUrl?: string
  publicKeys?: Record<string, unknown>[]
  secret?: string
  algorithms: string[]
  policies: string[]
  subjectClaim: string
  /** Prepended to the claim. Two prefixes of an app are equal, or neither begins with the other. */
  subjectPrefix: string
  policyClaim?: string
  claims?: ClaimConditions
}

export interface GrantRow {
  appId: string
  grantId: string
  subject: string
  policy: string
  use: string
  completion?: string
  reach?: string
  maxUploads?: number
  maxBytes?: number
  expiresAt: Date
}

export interface AppsDb {
  createApp(
    app: App,
    apiKey: { keyId: string; hash: string },
    policy: Policy | undefined,
    now: Date,
  ): Promise<void>
  findApp(appId: string): Promise<App | undefined>
  /** The app below whose key prefix this key is. */
  findAppOfKey(key: string): Promise<string | undefined>
  /** Newest first. */
  listApps(page: { limit: number; cursor?: string }): Promise<App[]>
  putPolicy(appId: string, name: string, policy: Policy, now: Date): Promise<boolean>
  findPolicy(appId: string, name: string): Promise<{ app: App; policy?: Policy } | undefined>
  /** Throws `issuer-taken` or `subject-prefix-conflict`. */
  createIssuer(issuer: Issuer, now: Date): Promise<void>
  findIssuers(issuer: string, audiences: readonly string[]): Promise<Issuer[]>
  findApiKey(appId: string, hash: string): Promise<{ keyId: string } | undefined>
  createGrant(grant: GrantRow, now: Date): Promise<void>
  grantIsRevoked(appId: string, grantId: string): Promise<boolean>
}
