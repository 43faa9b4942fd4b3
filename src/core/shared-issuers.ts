// Issuers that give anybody a token for any audience. Only a claim names the owner, so registering one requires claims.
import type { ClaimConditions } from './claims.ts'
import { fieldProblem } from './problem.ts'

interface SharedIssuer {
  name: string
  /** Values of `iss` without the scheme, in lower case. */
  issuers: readonly string[]
  /** Claims that name the owner, each with the delimiter after the owner's name; undefined if the whole value is the name. */
  owners: Readonly<Record<string, string | undefined>>
  example: ClaimConditions
}

const SHARED_ISSUERS: readonly SharedIssuer[] = [
  {
    // GitHub Docs, "OpenID Connect reference". An enterprise's own issuer has a path and is not shared.
    name: 'GitHub Actions',
    issuers: ['token.actions.githubusercontent.com'],
    owners: { repository_owner_id: undefined, repository: '/' },
    example: { repository: ['acme/*'] },
  },
  {
    // GitLab Docs, "OpenID Connect (OIDC) authentication using ID tokens".
    name: 'GitLab',
    issuers: ['gitlab.com'],
    owners: { namespace_id: undefined },
    example: { namespace_id: ['72'] },
  },
  {
    // Google Identity, "OpenID Connect": `iss` comes with and without a scheme.
    name: 'Google',
    issuers: ['accounts.google.com'],
    owners: { azp: undefined, hd: undefined },
    example: { hd: ['acme.com'] },
  },
]

/** Ignores the scheme, case and a slash at the end, which registrations spell differently. */
const withoutScheme = (issuer: string): string =>
  issuer
    .toLowerCase()
    .replace(/^https?:\/\//, '')
    .replace(/\/$/, '')

/** The text before the first asterisk must hold the owner and the delimiter: `acme*` would also match `acme-evil/app`. */
function namesOwner(pattern: string, delimiter: string | undefined): boolean {
  if (delimiter === undefined) return !pattern.includes('*')
  const [literal = ''] = pattern.split('*')
  return literal.indexOf(delimiter) > 0
}

/** Throws `issuer-needs-claims` for a shared issuer, unless every pattern of one claim names an owner. */
export function requireOwner(issuer: string, conditions: ClaimConditions = {}): void {
  const shared = SHARED_ISSUERS.find(({ issuers }) => issuers.includes(withoutScheme(issuer)))
  if (!shared) return
  const isOwned = Object.entries(shared.owners).some(([claim, delimiter]) =>
    conditions[claim]?.every((pattern) => namesOwner(pattern, delimiter)),
  )
  if (isOwned) return
  const claims = Object.keys(shared.owners).join(' or ')
  const detail =
    `Anybody can get a token of ${shared.name} for this audience. Give claims with ${claims}, ` +
    `each of its patterns with its owner spelt out, such as ${JSON.stringify(shared.example)}.`
  throw fieldProblem('issuer-needs-claims', '/claims', detail)
}
