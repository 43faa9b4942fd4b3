// Writes a reply: the headers that every answer has, errors as XML, and no connection left stuck behind a refused body.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { base64, utf8 } from '../../bytes/encoding.ts'
import { errorXml, type Refusal } from './refusal.ts'
import type { Reply } from './services.ts'

/** So much of a refused body is read on, so that the client gets to read the answer. */
const DRAIN_BYTES = 64 * 1024 * 1024
/** More than this is not worth keeping the connection for. */
const KEEP_ALIVE_BYTES = 1024 * 1024

export interface ReplyContext {
  requestId: string
  hostId: string
  now: Date
  /** What a browser of the request's origin may see. */
  cors: Record<string, string>
}

export function refusalReply(error: Refusal, method: string, context: ReplyContext): Reply {
  const { status, code, ec, headers } = error.refusal
  const xml = errorXml(error, context.requestId, context.hostId)
  const bodiless = method === 'HEAD' || code === 'NotModified'
  return {
    status,
    headers: {
      ...(bodiless
        ? code === 'NotModified'
          ? {}
          : { 'x-oss-err': base64(utf8(xml)) }
        : { 'content-type': 'application/xml' }),
      ...(ec ? { 'x-oss-ec': ec } : {}),
      ...headers,
    },
    body: bodiless ? undefined : xml,
  }
}

export async function writeReply(
  message: IncomingMessage,
  response: ServerResponse,
  reply: Reply,
  context: ReplyContext,
  drainMs: number,
): Promise<void> {
  const { status, body } = reply
  const headers: Record<string, string> = {
    date: context.now.toUTCString(),
    server: 'Countersign embedded store',
    'x-oss-request-id': context.requestId,
    ...context.cors,
    ...reply.headers,
  }
  if (typeof body === 'string') headers['content-length'] = String(Buffer.byteLength(body))
  else if (body === undefined && status !== 204 && status !== 304) {
    headers['content-length'] ??= '0'
  }
  // A client that was never told to go on sends no body, or sends it now: either way the connection is of no more use.
  const withheld = message.headers.expect !== undefined && !message.readableDidRead
  const unread = !message.complete
  if (withheld || (unread && !isShort(message))) headers.connection = 'close'
  response.writeHead(status, latin1(headers))
  if (typeof body === 'object') {
    await pipeline(Readable.from(body, { objectMode: false }), response)
    return
  }
  // Node ends the connection with the response, so the answer is sent first and ended after the body has been read.
  if (body) response.write(body)
  else response.flushHeaders()
  const givenUp = message.destroyed || reply.headers?.connection === 'close'
  if (unread && !withheld && !givenUp) await drain(message, drainMs)
  response.end(() => {
    // Node would wait for the rest for as long as a byte comes now and then.
    if (!message.complete) message.socket.destroySoon()
  })
}

const isShort = ({ headers }: IncomingMessage): boolean =>
  headers['content-length'] !== undefined && Number(headers['content-length']) <= KEEP_ALIVE_BYTES

/** Header values are UTF-8 on the wire; node:http writes one byte for each character. */
const latin1 = (headers: Record<string, string>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Buffer.from(value).toString('latin1')]),
  )

async function drain(message: IncomingMessage, milliseconds: number): Promise<void> {
  await new Promise<void>((resolve) => {
    let left = DRAIN_BYTES
    const timer = setTimeout(resolve, milliseconds)
    timer.unref()
    const done = () => {
      clearTimeout(timer)
      resolve()
    }
    message.on('data', (chunk: Uint8Array) => {
      left -= chunk.length
      if (left < 0) done()
    })
    message.once('end', done).once('close', done).once('error', done)
    message.resume()
  })
}
