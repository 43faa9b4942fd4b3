// The route that stores call. The body stays as raw bytes, because the signature covers them.
import { utf8 } from '../bytes/encoding.ts'
import { hasEnded } from '../core/upload-session.ts'
import { receiveCallback } from '../uploads/callback.ts'
import { receiveNotification } from '../uploads/receive-notification.ts'
import { readBody } from './body.ts'
import type { Request } from './environment.ts'
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

/** OSS requires a Content-Length, and relays the answer to the uploader, so that it holds no token. */
const answer = (c: Request, body: unknown) => {
  const text = JSON.stringify(body)
  return c.newResponse(text, 200, {
    'content-type': 'application/json',
    'content-length': String(utf8(text).length),
    'cache-control': 'no-store, no-transform',
  })
}

export function callbackRoutes(api: Api): void {
  route(api, {
    method: 'post',
    path: `${CALLBACKS_PATH}{store}`,
    summary:
      'The inbox of a store: its upload callbacks, and notifications of its configured sources',
    credentials: 'none',
    answers: { 200: 'What the store relays to the uploader, or that a notification was received' },
    handle: async (c, { services, params }) => {
      const { headers, url } = c.req.raw
      const body = await readBody(c, MAX_CALLBACK_BYTES)
      const addresses = services.callbackUrls()
      const { rawPaths, rawQuery } = signedTargets(url, addresses)
      const own = CALLBACKS_PATH + params.store + rawQuery
      const urls = addresses.map((address) => address.replace(/\/+$/, '') + own)
      const notification = { urls, rawQuery, headers, body }
      if (await receiveNotification(services, params.store, notification)) {
        return answer(c, { received: true })
      }
      const request = { method: c.req.method, rawPaths, rawQuery, headers, body }
      const session = await receiveCallback(services, params.store, request)
      const { id, state, object } = presentSession(session)
      const shown = hasEnded(state) ? state : 'completing'
      return answer(c, state === 'completed' ? { id, state, object } : { id, state: shown })
    },
  })
}
