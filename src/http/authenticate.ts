// Who is calling, and with which kind of credential. Deny by default: a route names the kinds that it takes.
import { verifyCredential } from '../auth/index.ts'
import { equalInConstantTime } from '../bytes/encoding.ts'
import { type Credential, checkUse, type GrantUse, type Principal } from '../core/principal.ts'
import { Problem } from '../core/problem.ts'
import { tokenExpired } from '../uploads/problems.ts'
import type { Request } from './environment.ts'

export type CredentialName = Credential['kind']

const NAMES: Record<CredentialName, string> = {
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
  if (!token) {
    throw unauthenticated('Send a credential as "Authorization: Bearer …".')
  }
  return token
}

/** Origins that an App allows; a token names them itself, so that signing needs no database. */
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

/** The verified credential. Throws `unauthenticated`, or `forbidden` for a kind or use that the route does not take. */
export const credentialFor = <Kind extends CredentialName>(c: Request, ...kinds: Kind[]) =>
  credentialWith(c, 'api', kinds)

async function credentialWith<Kind extends CredentialName>(
  c: Request,
  use: GrantUse,
  kinds: Kind[],
): Promise<Extract<Credential, { kind: Kind }>> {
  const credential = await verifyCredential(c.get('services').authentication, bearer(c))
  if (!credential)
    throw unauthenticated(
      'The credential is not valid: check its signature, issuer, audience, claims and expiry.',
    )
  if (!(kinds as string[]).includes(credential.kind)) {
    throw new Problem(
      kinds.length <= 2 && (kinds as string[]).includes('completion')
        ? 'completion-token-invalid'
        : 'forbidden',
      {
        detail: `This takes ${kinds.map((kind) => NAMES[kind]).join(' or ')}, not ${NAMES[credential.kind]}.`,
      },
    )
  }
  if ((credential.kind === 'upload' || credential.kind === 'completion') && credential.expired) {
    throw tokenExpired()
  }
  checkUse(credential, use)
  await checkOrigin(c, credential)
  return credential as Extract<Credential, { kind: Kind }>
}

/** `use` is the one that a grant needs for the call. */
export const principalFor = (c: Request, use: GrantUse = 'api'): Promise<Principal> =>
  credentialWith(c, use, ['jwt', 'grant', 'api-key'])

/** The operator's key, compared in constant time. Without one configured, nothing of the admin's is offered. */
export function requireAdmin(c: Request): void {
  const { adminKey } = c.get('services')
  if (adminKey === undefined || !equalInConstantTime(bearer(c), adminKey)) {
    throw unauthenticated('This needs the admin key (ADMIN_KEY) as "Authorization: Bearer …".')
  }
}
