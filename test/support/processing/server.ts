// A server in front of the embedded store that adds processing. It verifies each signature as OSS and Media Processing do,
// really saves each result, and forwards every other request unchanged.
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { isRefusal, refusal } from '../../../src/embedded/store/refusal.ts'
import { errorXml } from '../../../src/embedded/store/reply.ts'
import { verifyRequest } from '../../../src/embedded/store/signature/verify.ts'
import { keyring } from '../../../src/embedded/store/sts/keyring.ts'
import { readWire } from '../../../src/embedded/store/wire.ts'
import { mediaService } from './media.ts'
import { objectProcessing } from './objects.ts'
import { bucketAccess } from './stored.ts'

export interface ProcessingStoreOptions {
  /** The embedded store behind this server. */
  storeUrl: string
  bucket: string
  region: string
  accessKeyId: string
  secretAccessKey: string
  clock: () => Date
}

const MAX_BODY_BYTES = 64 * 1024
const PARAMETERS = ['x-oss-process', 'x-oss-async-process'] as const

export async function startProcessingStore(options: ProcessingStoreOptions) {
  const stored = bucketAccess(options)
  const context = { ...options, keyring: keyring(options) }
  const objects = objectProcessing(options, stored)
  const media = mediaService(options, stored)
  let count = 0

  async function answer(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const requestId = `TEST${++count}`
    const json = (status: number, body: unknown) =>
      void response
        .writeHead(status, { 'content-type': 'application/json', 'x-oss-request-id': requestId })
        .end(JSON.stringify(body))
    try {
      const wire = readWire(message, options.bucket)
      if (wire.rawPath === '/' && ['SubmitJobs', 'QueryJobList'].includes(actionOf(wire.headers))) {
        const { status, body } = await media.call(wire, await readBody(message), requestId)
        return json(status, body)
      }
      const parameter = PARAMETERS.find((name) => wire.query.has(name))
      if (wire.method !== 'POST' || !parameter) return forward(message, response, options.storeUrl)
      const { address, holder } = verifyRequest(wire, context)
      const body = await readBody(message)
      const call = { ...address, holder, headers: wire.headers, body, requestId }
      json(200, await objects.process(parameter, call))
    } catch (error) {
      const refused = isRefusal(error) ? error : refusal('InternalError')
      response
        .writeHead(refused.refusal.status, { 'content-type': 'application/xml' })
        .end(errorXml(refused, requestId, 'test'))
      if (!isRefusal(error)) throw error
    }
  }

  const server = createServer((message, response) => void answer(message, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    objects,
    media,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

export type ProcessingStore = Awaited<ReturnType<typeof startProcessingStore>>

const actionOf = (headers: Readonly<Record<string, string>>): string =>
  headers['x-acs-action'] ?? ''

async function readBody(message: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of message) {
    text += chunk
    if (text.length > MAX_BODY_BYTES) throw refusal('BadRequest')
  }
  return text
}

/** Forwards a request byte for byte, which works because neither signature covers the port. */
function forward(message: IncomingMessage, response: ServerResponse, storeUrl: string): void {
  const { hostname, port } = new URL(storeUrl)
  const onward = request(
    { hostname, port, method: message.method, path: message.url, headers: message.rawHeaders },
    (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.rawHeaders)
      answer.pipe(response)
    },
  )
  onward.on('error', () => response.destroy())
  message.pipe(onward)
}
