// Mints a grant: a short-lived credential with which a client of the App creates uploads.
import type { Services } from '../core/ports/services.ts'
import { Problem } from '../core/problem.ts'
import { type GrantToken, mintToken } from '../core/token.ts'

export interface GrantInput extends Omit<GrantToken, 'app' | 'grant' | 'exp'> {
  ttlSeconds: number
}

/** Throws `policy-not-found`. */
export async function createGrant(
  { apps, clock, newId, tokenKeys }: Pick<Services, 'apps' | 'clock' | 'newId' | 'tokenKeys'>,
  appId: string,
  { ttlSeconds, ...terms }: GrantInput,
): Promise<{ id: string; grant: string; expiresAt: Date }> {
  if (!(await apps.findPolicy(appId, terms.policy))?.policy) {
    throw new Problem('policy-not-found', { detail: `The app has no policy "${terms.policy}".` })
  }
  const id = newId('grt')
  const expiresAt = new Date(clock().getTime() + ttlSeconds * 1000)
  await apps.createGrant({ appId, grantId: id, expiresAt, ...terms }, clock())
  const exp = Math.floor(expiresAt.getTime() / 1000)
  const grant = await mintToken(tokenKeys, 'grant', { app: appId, grant: id, ...terms, exp })
  return { id, grant, expiresAt }
}
