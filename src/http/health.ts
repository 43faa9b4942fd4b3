// Liveness, readiness and, in embedded mode on a loopback host only, a grant for the page's own demo.
import { MAX_UPLOADS_OF_A_GRANT } from '../core/principal.ts'
import { Problem } from '../core/problem.ts'
import { createGrant } from '../uploads/grant.ts'
import type { Request } from './environment.ts'
import { type Api, type RouteDescription, route } from './route.ts'

const DEMO_GRANT_SECONDS = 900
const LOOPBACK_HOST = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/i

export interface DemoApp {
  appId: string
}

const open = { credentials: 'none', undocumented: true } as const

export function healthRoutes(api: Api, { isReady }: { isReady: () => boolean }): void {
  const probe = (path: string, handle: RouteDescription['handle']) =>
    route(api, { method: 'get', path, ...open, handle })

  probe('/healthz', (c) => c.json({ status: 'ok' }))
  // Receipts are not signed yet, so there is no public key to verify them with.
  probe('/.well-known/jwks.json', (c) => c.json({ keys: [] }))
  probe('/readyz', async (c, { services }) => {
    const notReady = (detail: string, cause?: unknown) =>
      new Problem('not-ready', { detail, cause, retryAfterSeconds: 5 })
    if (!isReady()) throw notReady('The service is shutting down.')
    let fresh: boolean
    let missing: string | undefined
    try {
      fresh = await services.readsAreFresh()
      missing = await services.missingKeys()
    } catch (cause) {
      throw notReady('The database does not answer.', cause)
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

/** Keeps pages of other sites from minting a grant, whether by fetch or by a name that resolves to loopback. */
function isFromOwnPage(c: Request): boolean {
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
  async function mintDemoGrant(c: Request): Promise<Response> {
    if (!isFromOwnPage(c)) {
      throw new Problem('not-found', {
        detail: 'Demo grants are for the page on this machine only.',
      })
    }
    const { grant, expiresAt } = await createGrant(c.get('services'), appId, {
      subject: 'demo',
      policy: 'default',
      use: 'api',
      maxUploads: MAX_UPLOADS_OF_A_GRANT,
      ttlSeconds: DEMO_GRANT_SECONDS,
    })
    return c.json({ grant, expiresAt: expiresAt.toISOString() }, 201)
  }
  route(api, { method: 'post', path: '/demo/grant', ...open, handle: mintDemoGrant })
}
