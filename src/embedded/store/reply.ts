// Writes a reply, with the headers of every answer and errors as XML. A refused body never blocks its connection.
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { base64, utf8 } from '../../bytes/encoding.ts'
import type { Refusal } from './refusal.ts'
import type { Reply } from './services.ts'
import { element, xmlDocument } from './xml.ts'

/** A refused body is read up to here, because many clients read the answer only after sending all of it. */
const DRAIN_BYTES = 64 * 1024 * 1024
/** Beyond this, a new connection is cheaper than reading the rest of the body. */
const KEEP_ALIVE_BYTES = 1024 * 1024

export interface ReplyContext {
  requestId: string
  hostId: string
  now: Date
  /** The CORS headers for the request's origin. */
  cors: Record<string, string>
}

export function refusalReply(error: Refusal, method: string, context: ReplyContext): Reply {
  const { status, code, ec, headers } = error.refusal
  const xml = errorXml(error, context.requestId, context.hostId)
  const common = { ...(ec ? { 'x-oss-ec': ec } : {}), ...headers }
  if (code === 'NotModified') return { status, headers: common }
  // HEAD has no body, so OSS sends the error in a header.
  if (method === 'HEAD') return { status, headers: { 'x-oss-err': base64(utf8(xml)), ...common } }
  return { status, headers: { 'content-type': 'application/xml', ...common }, body: xml }
}

export function errorXml({ refusal }: Refusal, requestId: string, hostId: string): string {
  return xmlDocument(
    element('Error', [
      element('Code', refusal.code),
      element('Message', refusal.message),
      element('RequestId', requestId),
      element('HostId', hostId),
      ...Object.entries(refusal.elements).map(([name, value]) => element(name, value)),
      ...(refusal.ec ? [element('EC', refusal.ec)] : []),
    ]),
  )
}

/** The bytes of a refusal on a connection that has no response, because its request could not be parsed. */
export function rawRefusal(error: Refusal, requestId: string, now: Date): string {
  const xml = errorXml(error, requestId, '')
  return [
    `HTTP/1.1 ${error.refusal.status} ${STATUS_CODES[error.refusal.status]}`,
    `Date: ${now.toUTCString()}`,
    'Content-Type: application/xml',
    `Content-Length: ${Buffer.byteLength(xml)}`,
    'Connection: close',
    `x-oss-request-id: ${requestId}`,
    '',
    xml,
  ].join('\r\n')
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
  // A client that waits for "100 Continue" may send its body now or never, so the connection cannot be reused.
  const withheld = message.headers.expect !== undefined && !message.readableDidRead
  const unread = !message.complete
  if (withheld || (unread && !isShort(message))) headers.connection = 'close'
  response.writeHead(status, asOnTheWire(headers))
  if (typeof body === 'object') {
    await pipeline(Readable.from(body, { objectMode: false }), response)
    return
  }
  // Node encodes the headers once more if it sends them together with a text.
  if (body) response.write(Buffer.from(body))
  const closing = message.destroyed || reply.headers?.connection === 'close'
  if (unread && !withheld && !closing) {
    // Node stops reading when the response ends, so the answer goes out first and ends after the body.
    if (!body) response.flushHeaders()
    await drain(message, drainMs)
  }
  response.end(() => {
    // Otherwise Node waits for the rest as long as a byte arrives now and then.
    if (!message.complete) message.socket.destroySoon()
  })
}

const isShort = ({ headers }: IncomingMessage): boolean =>
  headers['content-length'] !== undefined &&
  headers['transfer-encoding'] === undefined &&
  Number(headers['content-length']) <= KEEP_ALIVE_BYTES

/** Header values are UTF-8 on the wire, but node:http writes one byte per character. */
const asOnTheWire = (headers: Record<string, string>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      spelling(name),
      Buffer.from(value).toString('latin1'),
    ]),
  )

/** As OSS spells the name, because the .NET SDK compares it with regard to case. */
function spelling(name: string): string {
  if (name.startsWith('x-oss-')) return name
  if (name === 'etag') return 'ETag'
  return name
    .replace(/(^|-)[a-z]/g, (start) => start.toUpperCase())
    .replace(/^Content-Md5$/, 'Content-MD5')
}

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
