// Where the stores call: the bytes are kept as they came, since the signature covers them, and answered within three seconds.

import { utf8 } from '../core/bytes.ts'
import { hasEnded } from '../core/upload-session.ts'
import { receiveCallback } from '../uploads/callback.ts'
import { sessionView } from '../uploads/view.ts'
import { readBody } from './body.ts'
import { publicPath } from './public-path.ts'
import { type Api, route } from './route.ts'

const MAX_CALLBACK_BYTES = 64 * 1024
const CALLBACKS_PATH = '/v1/callbacks/'

/**
 * Path and query as the store sent and signed them; `new URL` would change them. The path of PUBLIC_URL stands before
 * ours whether or not whoever passed the request on took it off.
 */
function signedTarget(url: string, publicUrl: string): { rawPath: string; rawQuery: string } {
  const target = url.replace(/^[a-z]+:\/\/[^/?#]*/i, '').replace(/#.*$/, '')
  const [path = '', ...query] = target.split(/(?=\?)/)
  const own = path.slice(Math.max(0, path.lastIndexOf(CALLBACKS_PATH)))
  return { rawPath: publicPath(publicUrl) + own, rawQuery: query.join('') }
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
      const request = {
        method: c.req.method,
        ...signedTarget(c.req.raw.url, c.get('services').publicUrl()),
        headers: c.req.raw.headers,
        body: await readBody(c, MAX_CALLBACK_BYTES),
      }
      const session = await receiveCallback(c.get('services'), c.req.param('store') ?? '', request)
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
