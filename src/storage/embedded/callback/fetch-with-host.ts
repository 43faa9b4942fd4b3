// What sends callbacks: `fetch` over node:http, since the global one replaces a Host header by the URL's own (callbackHost).
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { Readable } from 'node:stream'

/** A response with such a status has no body, and a Response takes none. */
const BODILESS = [204, 205, 304]

/** One connection a call, no redirects. Takes what callbacks need: a URL, `method`, `headers`, bytes as `body`, `signal`. */
export const fetchWithHost: typeof fetch = (input, init = {}) =>
  new Promise((resolve, reject) => {
    const url = new URL(input instanceof Request ? input.url : input)
    const headers = Object.fromEntries(new Headers(init.headers))
    const signal = init.signal ?? undefined
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest
    const outgoing = send(url, { method: init.method, headers, signal, agent: false })
    outgoing.on('error', (error) => reject(signal?.aborted ? signal.reason : error))
    outgoing.on('response', (incoming) => resolve(responseOf(incoming)))
    outgoing.end(init.body)
  })

function responseOf(incoming: IncomingMessage): Response {
  const status = incoming.statusCode ?? 502
  const headers = new Headers()
  for (let index = 0; index < incoming.rawHeaders.length; index += 2) {
    headers.append(incoming.rawHeaders[index]!, incoming.rawHeaders[index + 1]!)
  }
  if (BODILESS.includes(status)) {
    incoming.resume()
    return new Response(null, { status, headers })
  }
  const body = Readable.toWeb(incoming) as ReadableStream<Uint8Array> // the same class, typed twice
  return new Response(body, { status, headers })
}
