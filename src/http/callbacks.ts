// The route that stores call. The body stays as raw bytes, because the signature covers them.
import { utf8 } from '../bytes/encoding.ts'
import { hasEnded } from '../core/upload-session.ts'
import { receiveCallback } from '../uploads/callback.ts'
import { readBody } from './body.ts'
import { presentSession } from './present-upload.ts'
import { publicPath } from './public-path.ts'
import { type Api, route } from './route.ts'

const MAX_CALLBACK_BYTES = 64 * 1024
const CALLBACKS_PATH = '/v1/callbacks/'

/**
 * The paths that the store may have signed, and the query. They are cut out of the text, because `new URL` would normalise
 * them. A proxy may have removed what precedes our own path, so each address of the service gives a candidate.
 */
function signedTargets(url: string, addresses: readonly string[]) {
  const target = url.replace(/^[a-z]+:\/\/[^/?#]*/i, '').replace(/#.*$/, '')
  const [path = '', ...query] = target.split(/(?=\?)/)
  const own = path.slice(Math.max(0, path.lastIndexOf(CALLBACKS_PATH)))
  const paths = new Set(addresses.map((address) => publicPath(address) + own))
  return { rawPaths: [...paths.add(path)], rawQuery: query.join('') }
}

export function callbackRoutes(api: Api): void {
  route(api, {
    method: 'post',
    path: `${CALLBACKS_PATH}{store}`,
    summary: 'Upload callbacks of a store: signed by it, authorised by our completion token',
    credentials: 'none',
    answers: { 200: 'What the store relays to the uploader' },
    handle: async (c, { services, params }) => {
      const session = await receiveCallback(services, params.store, {
        method: c.req.method,
        ...signedTargets(c.req.raw.url, services.callbackUrls()),
        headers: c.req.raw.headers,
        body: await readBody(c, MAX_CALLBACK_BYTES),
      })
      const { id, state, object } = presentSession(session)
      const done = state === 'completed'
      // The store relays it to the uploader, so it holds no token. OSS requires a Content-Length.
      const shown = hasEnded(state) ? state : 'completing'
      const body = JSON.stringify(done ? { id, state, object } : { id, state: shown })
      return c.newResponse(body, 200, {
        'content-type': 'application/json',
        'content-length': String(utf8(body).length),
        'cache-control': 'no-store, no-transform',
      })
    },
  })
}
