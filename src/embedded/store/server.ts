// From a node:http request to a reply: preflight, signature, bucket, route, handler; whatever fails becomes error XML.
import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { corsHeaders, preflight } from './bucket/cors.ts'
import { PUBLIC_KEY_PATH } from './callback/send.ts'
import type { formPoster } from './form/post-object.ts'
import { isForm } from './form/read.ts'
import { OWNER_PATH } from './owner.ts'
import { isRefusal, refusal } from './refusal.ts'
import { type ReplyContext, refusalReply, writeReply } from './reply.ts'
import { routeFor } from './routes.ts'
import type { Reply, StoreRequest, StoreServices } from './services.ts'
import { isAssumeRole, type roleAssumer } from './sts/assume-role.ts'
import { authorise } from './sts/keyring.ts'
import type { ReadUnverified, StoreLimits } from './unverified.ts'
import type { verifier } from './verify.ts'
import { type Address, checkKey, readWire, type WireRequest } from './wire.ts'

const IDLE_MS = 60_000
const CHECK_MS = 5_000
const MAX_STS_BODY_BYTES = 16 * 1024

/** What lets a request in. */
export interface Gates {
  verify: ReturnType<typeof verifier>
  assumeRole: ReturnType<typeof roleAssumer>
  postForm: ReturnType<typeof formPoster>
  readUnverified: ReadUnverified
}

export interface StoreServer {
  server: Server
  /** Cuts all connections and waits until no request works on the disk any more. */
  close(): Promise<void>
}

export function storeServer(
  services: StoreServices,
  { verify, assumeRole, postForm, readUnverified }: Gates,
  { headersMs, drainMs }: StoreLimits,
): StoreServer {
  const running = new Set<Promise<void>>()

  function serve(message: IncomingMessage, response: ServerResponse, waits: boolean) {
    const work = answer(message, response, waits).catch((error: unknown) => {
      if (!message.socket.destroyed) services.log('error', 'reply failed', { error: String(error) })
      response.destroy()
    })
    running.add(work)
    void work.then(() => running.delete(work))
  }

  async function answer(message: IncomingMessage, response: ServerResponse, waits: boolean) {
    const { method = '' } = message
    const context: ReplyContext = {
      requestId: randomBytes(12).toString('hex').toUpperCase(),
      hostId: message.headers.host ?? '',
      now: services.clock(),
      cors: corsHeaders(services.settings.corsRules(), method, message.headers.origin),
    }
    const line: Record<string, unknown> = { method, requestId: context.requestId }
    let reply: Reply
    try {
      reply = await handle(message, response, waits, context, line)
    } catch (error) {
      // The client went away while we read: there is no one to answer.
      if (!isRefusal(error) && message.errored && !message.complete) {
        services.log('debug', 'request cut', line)
        response.destroy()
        return
      }
      if (!isRefusal(error))
        services.log('error', 'request failed', { ...line, error: String(error) })
      const refused = isRefusal(error) ? error : refusal('InternalError')
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

  function checkBucket({ bucket }: Address): void {
    if (bucket === services.bucket) return
    throw refusal('NoSuchBucket', { ec: '0015-00000101', elements: { BucketName: bucket } })
  }

  async function handle(
    message: IncomingMessage,
    response: ServerResponse,
    waits: boolean,
    { requestId }: ReplyContext,
    line: Record<string, unknown>,
  ): Promise<Reply> {
    const wire = readWire(message, services.bucket)
    if (wire.method === 'OPTIONS') return preflight(wire, services.settings.corsRules())
    const open = wire.method === 'GET' ? openPage(wire, services) : undefined
    if (open) return open
    if (isAssumeRole(wire)) {
      const body = await readUnverified(() => readStsBody(message))
      line.operation = 'AssumeRole'
      return assumeRole(wire, body, requestId)
    }
    const caller = {
      requestId,
      clientIp: (message.socket.remoteAddress ?? '').replace(/^::ffff:/, ''),
      body() {
        if (waits) response.writeContinue()
        // Leaving the loop early must not cut the connection: the refusal still has to go out.
        return message.iterator({ destroyOnReturn: false })
      },
    }
    if (isForm(wire.method, message.headers) && wire.query.size === 0) {
      line.operation = 'PostObject'
      checkBucket(wire.addresses.find(({ key }) => key === '') ?? wire.addresses[0]!)
      return postForm({ ...caller, headers: message.headers }, services)
    }
    const { address, holder } = verify(wire)
    checkBucket(address)
    const route = routeFor(wire, address)
    line.operation = route.name
    if (address.key !== '') {
      checkKey(address.key)
      line.key = address.key
    }
    authorise(holder, route.action ?? `oss:${route.name}`, address)
    if (route.reads) authorise(holder, 'oss:GetObject', route.reads(wire.headers))
    const request: StoreRequest = {
      method: wire.method,
      query: wire.query,
      headers: wire.headers,
      key: address.key,
      holder,
      contentLength: contentLengthOf(wire),
      ...caller,
    }
    return route.handler(request, services)
  }

  // A verified upload may take as long as it gets on: `timeout` ends it only where nothing comes any more.
  const server = createServer({
    headersTimeout: headersMs,
    requestTimeout: 0,
    keepAliveTimeout: IDLE_MS,
    connectionsCheckingInterval: Math.min(CHECK_MS, headersMs),
  })
  server.timeout = IDLE_MS
  server.on('request', (message, response) => serve(message, response, false))
  server.on('checkContinue', (message, response) => serve(message, response, true))

  async function close() {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    server.closeAllConnections()
    await closed
    await Promise.all(running)
  }

  return { server, close }
}

async function readStsBody(message: IncomingMessage): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of message.iterator({ destroyOnReturn: false })) {
    size += chunk.length
    if (size > MAX_STS_BODY_BYTES) throw refusal('BadRequest')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

const contentLengthOf = ({ headers }: WireRequest): number | undefined =>
  headers['content-length'] === undefined ? undefined : Number(headers['content-length'])

/** What is served without a signature, on the store's own address only. */
function openPage(wire: WireRequest, { bucket, callbackKey, ownerId }: StoreServices) {
  if (wire.addresses.some((address) => address.bucket === bucket)) return undefined
  if (wire.rawPath === OWNER_PATH) return { status: 200, body: ownerId }
  if (wire.rawPath !== PUBLIC_KEY_PATH) return undefined
  return {
    status: 200,
    headers: { 'content-type': 'application/x-pem-file' },
    body: callbackKey.publicKeyPem,
  }
}
