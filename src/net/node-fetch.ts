// A `fetch` over node:http that can check the resolved address while it connects, and send a Host header other than the URL's.
// The global one can do neither. It settles however a request ends.
import * as http from 'node:http'
import * as https from 'node:https'
import type { LookupFunction } from 'node:net'

/** Statuses with which `new Response` accepts no body. */
const BODILESS = [204, 205, 304]
/** More interim answers than any honest server sends. */
const MAX_INTERIM_ANSWERS = 100

export interface NodeFetchOptions {
  /** Resolves host names, and may refuse them. It is not called for IP addresses in URLs. */
  lookup?: LookupFunction
  /** Without agents, each call opens a connection of its own. */
  agents?: { 'http:': http.Agent; 'https:': https.Agent }
}

/**
 * Takes `method`, `headers`, `signal` and a `body` of text or bytes. Follows no redirects, decompresses nothing, and has no
 * time-out: the caller sets one by `signal`.
 */
export const nodeFetch =
  ({ lookup, agents }: NodeFetchOptions = {}): typeof fetch =>
  (input, init = {}) =>
    new Promise((resolve, reject) => {
      const url = new URL(input instanceof Request ? input.url : input)
      const protocol = url.protocol === 'https:' ? 'https:' : 'http:'
      const signal = init.signal ?? undefined
      const outgoing = (protocol === 'https:' ? https : http).request(url, {
        method: init.method,
        headers: {
          'accept-encoding': 'identity',
          ...Object.fromEntries(new Headers(init.headers)),
        },
        signal,
        agent: agents?.[protocol] ?? false,
        lookup,
      })
      const fail = (message: string) => outgoing.destroy(new Error(message))
      outgoing.on('error', (error) => reject(signal?.aborted ? signal.reason : error))
      // After 101 (Upgrade) Node drops the connection and emits nothing else.
      outgoing.on('close', () => reject(new Error('the connection ended without an answer')))
      outgoing.on('timeout', () => fail('no answer in time'))
      let interimAnswers = 0
      outgoing.on('information', () => {
        if (++interimAnswers > MAX_INTERIM_ANSWERS) fail('too many interim answers')
      })
      outgoing.on('response', (incoming) => {
        try {
          resolve(responseOf(incoming))
        } catch (error) {
          reject(error) // Thrown in an event handler, it would end the process.
          incoming.destroy()
        }
      })
      outgoing.end(init.body)
    })

/** Throws RangeError or TypeError for a status or header that `Response` does not accept. */
function responseOf(incoming: http.IncomingMessage): Response {
  const status = incoming.statusCode ?? 0
  const headers = new Headers()
  for (let index = 0; index < incoming.rawHeaders.length; index += 2) {
    headers.append(incoming.rawHeaders[index]!, incoming.rawHeaders[index + 1]!)
  }
  const isBodiless = BODILESS.includes(status)
  const response = new Response(isBodiless ? null : bodyOf(incoming), { status, headers })
  if (isBodiless) incoming.resume()
  return response
}

/** Replaces Readable.toWeb, which throws where nothing can catch it if data arrives after a cancel. */
function bodyOf(incoming: http.IncomingMessage): ReadableStream<Uint8Array> {
  const chunks: AsyncIterator<Buffer> = incoming[Symbol.asyncIterator]()
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await chunks.next()
      if (done) controller.close()
      else controller.enqueue(value)
    },
    cancel: () => void incoming.destroy(),
  })
}
