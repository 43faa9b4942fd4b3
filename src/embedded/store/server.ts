// The HTTP server: every request is answered and logged once, and closing waits for all work on the disk.
import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { corsHeaders } from './bucket/cors.ts'
import { handle, type Incoming } from './handle.ts'
import { isRefusal, refusal } from './refusal.ts'
import { type ReplyContext, refusalReply, writeReply } from './reply.ts'
import type { Reply, StoreServices } from './services.ts'
import type { StoreLimits } from './unverified.ts'

const IDLE_MS = 60_000
const CHECK_MS = 5_000

export function storeServer(services: StoreServices, { headersMs, drainMs }: StoreLimits) {
  const running = new Set<Promise<void>>()

  function serve(message: IncomingMessage, response: ServerResponse, expectsContinue: boolean) {
    const work = answer(message, response, expectsContinue).catch((error: unknown) => {
      if (!message.socket.destroyed) services.log('error', 'reply failed', { error: String(error) })
      response.destroy()
    })
    running.add(work)
    void work.then(() => running.delete(work))
  }

  async function answer(message: IncomingMessage, response: ServerResponse, waits: boolean) {
    const { method = '' } = message
    const requestId = randomBytes(12).toString('hex').toUpperCase()
    const context: ReplyContext = {
      requestId,
      hostId: message.headers.host ?? '',
      now: services.clock(),
      cors: corsHeaders(services.settings.corsRules(), method, message.headers.origin),
    }
    const line: Incoming['line'] = { method, requestId }
    let reply: Reply
    try {
      reply = await handle({ message, response, expectsContinue: waits, requestId, line }, services)
    } catch (error) {
      const refused = isRefusal(error) ? error : refusal('InternalError')
      if (refused !== error) {
        // The client went away during its body: nobody is left to answer.
        if (message.errored && !message.complete) {
          services.log('debug', 'request cut', line)
          response.destroy()
          return
        }
        services.log('error', 'request failed', { ...line, error: String(error) })
      }
      line.code = refused.refusal.code
      reply = refusalReply(refused, method, context)
    }
    try {
      await writeReply(message, response, reply, context, drainMs)
    } finally {
      await reply.end?.()
      services.log('debug', 'request', { ...line, status: reply.status })
    }
  }

  // A verified upload on a slow network may take any time, so only idleness ends it.
  const server = createServer({
    headersTimeout: headersMs,
    requestTimeout: 0,
    keepAliveTimeout: IDLE_MS,
    connectionsCheckingInterval: Math.min(CHECK_MS, headersMs),
  })
  server.timeout = IDLE_MS
  server.on('request', (message, response) => serve(message, response, false))
  server.on('checkContinue', (message, response) => serve(message, response, true))

  /** Cuts all connections and waits until no request uses the disk any more. */
  async function close() {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    server.closeAllConnections()
    await closed
    await Promise.all(running)
  }

  return { server, close }
}
