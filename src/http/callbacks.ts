// Where the stores call: the bytes are kept as they came, since the signature covers them, and answered within three seconds.
import { utf8 } from '../bytes/encoding.ts'
import { hasEnded } from '../core/upload-session.ts'
import { receiveCallback } from '../uploads/callback.ts'
import { readBody } from './body.ts'
import { publicPath } from './public-path.ts'
import { type Api, route } from './route.ts'
import { sessionView } from './session-view.ts'

const MAX_CALLBACK_BYTES = 64 * 1024
const CALLBACKS_PATH = '/v1/callbacks/'

/**
 * The paths by which a store may have called, and the query, as they were sent and signed; `new URL` would change them.
 * What stands before our own path may have been taken off on the way, so each address of the service is tried.
 */
function signedTargets(url: string, addresses: readonly string[]) {
  const target = url.replace(/^[a-z]+:\/\/[^/?#]*/i, '').replace(/#.*$/, '')
  const [path = '', ...query] = target.split(/(?=\?)/)
  const own = path.slice(Math.max(0, path.lastIndexOf(CALLBACKS_PATH)))
  const paths = new Set(addresses.map((address) => publicPath(address) + own))
  return { rawPaths: [...paths.add(path)], rawQuery: query.join('') }
}

export function callbackRoutes(api: Api): void {
  route(
    api,
    {
      method: 'post',
      path: `${CALLBACKS_PATH}{store}`,
      summary: 'Upload callbacks of a store: signed by it, authorised by our completion token',
      answers: { 200: 'What the store relays to the uploader' },
    },
    async (c) => {
      const services = c.get('services')
      const session = await receiveCallback(services, c.req.param('store') ?? '', {
        method: c.req.method,
        ...signedTargets(c.req.raw.url, services.callbackUrls()),
        headers: c.req.raw.headers,
        body: await readBody(c, MAX_CALLBACK_BYTES),
      })
      const { id, state, object } = sessionView(session)
      const done = state === 'completed'
      // Relayed to the uploader, so no token is in it; OSS insists on a Content-Length.
      const reached = hasEnded(state) ? state : 'completing'
      const body = JSON.stringify(done ? { id, state, object } : { id, state: reached })
      return c.newResponse(body, 200, {
        'content-type': 'application/json',
        'content-length': String(utf8(body).length),
        'cache-control': 'no-store, no-transform',
      })
    },
  )
}
