// A `fetch` over node:http. Unlike the global one, it can check the resolved address as it connects, and send another Host header
// than the URL's. It settles however a request ends.
import * as http from 'node:http'
import * as https from 'node:https'
import type { LookupFunction } from 'node:net'

/** Statuses without a body. A Response of one throws if it is given any. */
const BODILESS = [204, 205, 304]
/** The most interim answers (1xx) before a call fails. */
const MAX_INTERIM_ANSWERS = 100

export interface NodeFetchOptions {
  /** Resolves host names; one that it refuses is not connected to. IP addresses in URLs never reach it. */
  lookup?: LookupFunction
  /** By default, each call opens a connection. */
  agents?: { 'http:': http.Agent; 'https:': https.Agent }
}

/**
 * Follows no redirects and decompresses nothing. Takes `method`, `headers`, a text or bytes as `body`, and `signal`, by which
 * the caller bounds the call in time.
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
      // After an answer of 101 (Upgrade) Node drops the connection, and this is all that it emits.
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
          reject(error) // Not thrown on: in an event handler it would end the process.
          incoming.destroy()
        }
      })
      outgoing.end(init.body)
    })

/** Throws RangeError or TypeError for a status or a header that a Response does not take. */
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

/** Not Readable.toWeb, which throws an uncatchable error if data arrives after a cancel. */
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
