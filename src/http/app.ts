// The HTTP rim: one Hono app for every runtime. Order matters: headers come first, because an answer has them even if the
// services cannot be opened; then the request id and the log; then the routes.
import { OpenAPIHono } from '@hono/zod-openapi'
import { cors } from 'hono/cors'
import { secureHeaders } from 'hono/secure-headers'
import { getPath } from 'hono/utils/url'
import { grantForLog } from '../core/token.ts'
import { appRoutes } from './apps.ts'
import { callbackRoutes } from './callbacks.ts'
import { credentialRoutes } from './credentials.ts'
import { deliveryRoutes } from './deliveries.ts'
import type { Environment, Request, RequestServices } from './environment.ts'
import { type DemoApp, demoRoutes, healthRoutes } from './health.ts'
import { documentRoutes, openApiJson } from './openapi.ts'
import { noSuchRoute, problemRenderer } from './problem.ts'
import { problemsPage } from './problems-page.ts'
import { route } from './route.ts'
import { uploadRoutes } from './uploads.ts'

export interface HttpOptions {
  /** Services for one request; on Workers they end with it. */
  servicesFor: (c: Request) => RequestServices | Promise<RequestServices>
  /** The path of PUBLIC_URL, which a proxy may leave in the request. */
  basePath?: (bindings: unknown) => string
  isReady?: () => boolean
  /** Present in embedded mode on a loopback host. */
  demo?: DemoApp
}

const REQUEST_ID = /^[A-Za-z0-9._-]{1,64}$/
const PREFLIGHT_SECONDS = 7200

const withoutBase = (path: string, base: string) =>
  base && path.startsWith(`${base}/`) ? path.slice(base.length) : path

/** A grant in a path is a secret, so the log shows only its id. */
const withoutGrant = (path: string) =>
  path.replace(/(\/oss\/credentials\/)(.+)/, (_, route, grant) => route + grantForLog(grant))

export function httpApp(options: HttpOptions) {
  const { servicesFor, basePath = () => '', isReady = () => true, demo } = options
  const api = new OpenAPIHono<Environment>({
    getPath: (request, from) => withoutBase(getPath(request), basePath(from?.env)),
  })

  const renderProblem = problemRenderer(basePath)
  api.onError(renderProblem)
  api.notFound((c) => renderProblem(noSuchRoute(), c))

  api.use(
    secureHeaders({ crossOriginResourcePolicy: 'cross-origin', crossOriginOpenerPolicy: false }),
  )

  // There are no cookies, so any origin may ask. The credential's App restricts origins (http/authenticate).
  const anyOrigin = cors({
    origin: '*',
    allowMethods: ['GET', 'POST', 'PUT', 'DELETE'],
    allowHeaders: ['Authorization', 'Content-Type', 'Idempotency-Key', 'X-Request-Id'],
    exposeHeaders: ['Location', 'Retry-After', 'X-Request-Id'],
    maxAge: PREFLIGHT_SECONDS,
  })
  for (const path of ['/v1/*', '/oss/*', '/openapi.json']) api.use(path, anyOrigin)

  // Needs no services: problems that say they are misconfigured point at this page.
  problemsPage(api)

  api.use(async function identifyAndLog(c, next) {
    const given = c.req.header('x-request-id')
    if (given && REQUEST_ID.test(given)) c.set('requestId', given)
    const services = await servicesFor(c as Request)
    const requestId = c.get('requestId') ?? services.newId('req')
    c.set('services', services)
    c.set('requestId', requestId)
    const began = services.clock().getTime()
    try {
      await next()
    } finally {
      services.release?.()
    }
    c.header('x-request-id', requestId)
    services.log('info', 'request', {
      requestId,
      method: c.req.method,
      path: withoutGrant(c.req.path).slice(0, 256),
      status: c.res.status,
      ms: services.clock().getTime() - began,
    })
  })

  healthRoutes(api, { isReady })
  appRoutes(api)
  uploadRoutes(api)
  callbackRoutes(api)
  credentialRoutes(api)
  deliveryRoutes(api)
  if (demo) demoRoutes(api, demo)

  // Large, and the same for everybody: made at the first request.
  let document: { publicUrl: string; json: string } | undefined
  route(api, {
    method: 'get',
    path: '/openapi.json',
    credentials: 'none',
    undocumented: true,
    handle: (c, { services }) => {
      const publicUrl = services.publicUrl()
      if (document?.publicUrl !== publicUrl) {
        document = { publicUrl, json: openApiJson(api, publicUrl) }
      }
      return c.body(document.json, 200, { 'content-type': 'application/json' })
    },
  })
  documentRoutes(api)
  return api
}
