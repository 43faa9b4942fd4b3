// Liveness, readiness and, in embedded mode on a loopback host only, the page's own demo grant.
import { MAX_UPLOADS_OF_A_GRANT } from '../core/principal.ts'
import { Problem } from '../core/problem.ts'
import { mintToken } from '../core/token.ts'
import type { Request } from './environment.ts'
import type { Api } from './route.ts'

const DEMO_GRANT_SECONDS = 900
const LOOPBACK_HOST = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/i

export interface DemoApp {
  appId: string
}

export function healthRoutes(api: Api, { isReady }: { isReady: () => boolean }): void {
  api.get('/healthz', (c) => c.json({ status: 'ok' }))
  // Receipts are not signed yet, so there is no public key to verify them with.
  api.get('/.well-known/jwks.json', (c) => c.json({ keys: [] }))
  api.get('/readyz', async (c) => {
    const notReady = (detail: string) => new Problem('not-ready', { detail, retryAfterSeconds: 5 })
    if (!isReady()) throw notReady('The service is shutting down.')
    const { readsAreFresh, missingKeys } = c.get('services')
    let fresh: boolean
    let missing: string | undefined
    try {
      fresh = await readsAreFresh()
      missing = await missingKeys()
    } catch (cause) {
      throw new Problem('not-ready', {
        detail: 'The database does not answer.',
        cause,
        retryAfterSeconds: 5,
      })
    }
    if (!fresh) {
      throw notReady(
        'The database answers reads from a cache: disable query caching (docs/deploy-workers.md).',
      )
    }
    if (missing) throw notReady(`SECRET_KEYS ${missing}`)
    return c.json({ status: 'ready' })
  })
}

/** A page of another site must not mint itself one: neither by fetch nor by a name that resolves to loopback. */
function fromOwnPage(c: Request): boolean {
  const host = c.req.header('host') ?? ''
  const origin = c.req.header('origin')
  const site = c.req.header('sec-fetch-site')
  return (
    LOOPBACK_HOST.test(host) &&
    (origin === undefined || origin === `http://${host}`) &&
    (site === undefined || site === 'same-origin')
  )
}

export function demoRoutes(api: Api, { appId }: DemoApp): void {
  api.post('/demo/grant', async (c) => {
    if (!fromOwnPage(c as Request)) {
      throw new Problem('not-found', {
        detail: 'Demo grants are for the page on this machine only.',
      })
    }
    const { apps, clock, newId, tokenKeys } = c.get('services')
    const grantId = newId('grt')
    const subject = 'demo'
    const policy = 'default'
    const expiresAt = new Date(clock().getTime() + DEMO_GRANT_SECONDS * 1000)
    const maxUploads = MAX_UPLOADS_OF_A_GRANT
    const row = { appId, grantId, subject, policy, use: 'api' as const, maxUploads, expiresAt }
    await apps.createGrant(row, clock())
    const exp = Math.floor(expiresAt.getTime() / 1000)
    const claims = { app: appId, grant: grantId, subject, policy, use: row.use, exp }
    const grant = await mintToken(tokenKeys, 'grant', claims)
    return c.json({ grant, expiresAt: expiresAt.toISOString() }, 201)
  })
}
