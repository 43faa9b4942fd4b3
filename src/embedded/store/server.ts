// The HTTP server: every request is answered and logged once, and closing waits for all work on the disk.
import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { isIPv4 } from 'node:net'
import type { Duplex } from 'node:stream'
import { corsHeaders } from './bucket/cors.ts'
import { handle, type Incoming } from './handle.ts'
import { isRefusal, refusal } from './refusal.ts'
import { type ReplyContext, rawRefusal, refusalReply, writeReply } from './reply.ts'
import type { Reply, StoreServices } from './services.ts'
import type { StoreLimits } from './unverified.ts'

const IDLE_MS = 60_000
const CHECK_MS = 5_000

const newRequestId = (): string => randomBytes(12).toString('hex').toUpperCase()

export function storeServer(
  services: StoreServices,
  host: string,
  { headersMs, drainMs }: StoreLimits,
) {
  const running = new Set<Promise<void>>()
  const answering = new WeakMap<Duplex, ServerResponse>()

  function serve(message: IncomingMessage, response: ServerResponse, expectsContinue: boolean) {
    answering.set(message.socket, response)
    const work = answer(message, response, expectsContinue).catch((error: unknown) => {
      if (!message.socket.destroyed) services.log('error', 'reply failed', { error: String(error) })
      response.destroy()
    })
    running.add(work)
    void work.then(() => running.delete(work))
  }

  async function answer(message: IncomingMessage, response: ServerResponse, waits: boolean) {
    const { method = '' } = message
    const requestId = newRequestId()
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

  /** Answers what the HTTP parser refuses: no request reaches a handler then. */
  function refuse(error: NodeJS.ErrnoException, socket: Duplex) {
    const answered = answering.get(socket)?.headersSent
    if (!socket.writable || answered || error.code === 'ECONNRESET') {
      socket.destroy()
      return
    }
    const late = error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
    const refused = refusal(late ? 'RequestTimeout' : 'BadRequest')
    const requestId = newRequestId()
    services.log('debug', 'request', { requestId, code: refused.refusal.code, status: 400 })
    socket.end(rawRefusal(refused, requestId, services.clock()), () => socket.destroy())
  }

  // A verified upload on a slow network may take any time, so only idleness ends it.
  const server = createServer({
    // Real clients send Content-Length beside chunked. Nothing stands between them and a loopback address that could read
    // the two in another way.
    insecureHTTPParser: isLoopbackHost(host),
    headersTimeout: headersMs,
    requestTimeout: 0,
    keepAliveTimeout: IDLE_MS,
    connectionsCheckingInterval: Math.min(CHECK_MS, headersMs),
  })
  server.timeout = IDLE_MS
  server.on('clientError', refuse)
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

const isLoopbackHost = (host: string): boolean =>
  host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'))
