// Verifies the credential that a route declares. Deny by default: a route names the kinds that it takes.
import { verifyCredential } from '../auth/index.ts'
import { equalInConstantTime } from '../bytes/encoding.ts'
import { type Credential, checkUse, type GrantPrincipal, type GrantUse } from '../core/principal.ts'
import { Problem } from '../core/problem.ts'
import { tokenExpired } from '../uploads/problems.ts'
import type { Request } from './environment.ts'

type Kind = Credential['kind']

/** The security schemes of the OpenAPI document, and the kinds of credential that each accepts. */
export const SCHEMES = {
  apiKey: ['api-key'],
  owner: ['jwt', 'grant', 'api-key'],
  uploadToken: ['upload'],
  completionToken: ['completion'],
} as const satisfies Record<string, readonly Kind[]>

export type Scheme = keyof typeof SCHEMES
type KindOf<Name extends Scheme> = Name extends Scheme ? (typeof SCHEMES)[Name][number] : never

/**
 * What a route takes: nothing; the operator's ADMIN_KEY; a grant as the parameter `grant` of its path, for clients that send
 * no headers; or a bearer token of any of these schemes.
 */
export type Credentials = 'none' | 'admin' | 'grantInPath' | readonly [Scheme, ...Scheme[]]

/** The type of the credential that a route with this declaration is called with. */
export type CredentialOf<Declared extends Credentials> =
  Declared extends readonly (infer Name extends Scheme)[]
    ? Extract<Credential, { kind: KindOf<Name> }>
    : Declared extends 'grantInPath'
      ? GrantPrincipal
      : undefined

const NAMES: Record<Kind, string> = {
  jwt: 'a user JWT',
  grant: 'a grant',
  'api-key': 'an api key',
  upload: 'an upload token',
  completion: 'a completion token',
}

const unauthenticated = (detail: string) => new Problem('unauthenticated', { detail })

function bearer(c: Request): string {
  const header = c.req.header('authorization')
  const token = header && /^Bearer +([^\s]+)$/i.exec(header)?.[1]
  if (!token) throw unauthenticated('Send a credential as "Authorization: Bearer …".')
  return token
}

/** A token names the origins that its App allows, so that signing needs no database. */
async function checkOrigin(c: Request, credential: Credential): Promise<void> {
  const origin = c.req.header('origin')
  if (!origin) return
  const allowed =
    credential.kind === 'upload' || credential.kind === 'completion'
      ? credential.token.origins
      : (await c.get('services').apps.findApp(credential.appId))?.allowedOrigins
  if (!allowed || allowed.includes('*') || allowed.includes(origin)) return
  throw new Problem('forbidden', {
    detail: 'The app does not allow requests from this origin. Its owner lists allowedOrigins.',
  })
}

const verify = (c: Request, token: string) =>
  verifyCredential(c.get('services').authentication, token)

async function verifyBearer(c: Request, kinds: readonly Kind[]): Promise<Credential> {
  const credential = await verify(c, bearer(c))
  if (!credential) {
    throw unauthenticated(
      'The credential is not valid: check its signature, issuer, audience, claims and expiry.',
    )
  }
  if (!kinds.includes(credential.kind)) {
    throw new Problem(kinds.includes('completion') ? 'completion-token-invalid' : 'forbidden', {
      detail: `This takes ${kinds.map((kind) => NAMES[kind]).join(' or ')}, not ${NAMES[credential.kind]}.`,
    })
  }
  if ((credential.kind === 'upload' || credential.kind === 'completion') && credential.expired) {
    throw tokenExpired()
  }
  return credential
}

/** Compares in constant time. Without an ADMIN_KEY nobody is the operator. */
function checkAdmin(c: Request): void {
  const { adminKey } = c.get('services')
  if (adminKey === undefined || !equalInConstantTime(bearer(c), adminKey)) {
    throw unauthenticated('This needs the admin key (ADMIN_KEY) as "Authorization: Bearer …".')
  }
}

/**
 * The verified credential of a request. Throws `unauthenticated`; `forbidden` or `completion-token-invalid` for another kind,
 * use or origin.
 */
export async function authenticate(
  c: Request,
  declared: Credentials,
  use: GrantUse,
): Promise<Credential | undefined> {
  if (declared === 'none') return undefined
  if (declared === 'admin') {
    checkAdmin(c)
    return undefined
  }
  if (declared === 'grantInPath') {
    const grant = await verify(c, c.req.param('grant') ?? '')
    if (grant?.kind !== 'grant') throw unauthenticated('The grant is not valid.')
    checkUse(grant, use)
    return grant
  }
  const kinds = declared.flatMap((scheme): readonly Kind[] => SCHEMES[scheme])
  const credential = await verifyBearer(c, kinds)
  checkUse(credential, use)
  await checkOrigin(c, credential)
  return credential
}
