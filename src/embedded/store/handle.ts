// Turns a received request into its reply. Pages without a signature come first; then signature, bucket, operation, permission.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { readBounded } from './body.ts'
import { preflight } from './bucket/cors.ts'
import { PUBLIC_KEY_PATH } from './callback/send.ts'
import { postObject } from './form/post-object.ts'
import { isForm } from './form/read.ts'
import { findOperation } from './operations.ts'
import { OWNER_PATH } from './owner.ts'
import { notImplemented, refusal } from './refusal.ts'
import type { Reply, StoreServices } from './services.ts'
import { verifyRequest } from './signature/verify.ts'
import { assumeRole, isAssumeRole } from './sts/assume-role.ts'
import { authorise } from './sts/keyring.ts'
import { checkKey, readLength, readWire, type WireRequest } from './wire.ts'

const MAX_STS_BODY_BYTES = 16 * 1024

export interface Incoming {
  message: IncomingMessage
  response: ServerResponse
  /** True if the client waits for "100 Continue". */
  expectsContinue: boolean
  requestId: string
  /** Fields of the request's log line; the operation and its key are added. */
  line: Record<string, unknown>
}

/** Throws a refusal. */
export async function handle(incoming: Incoming, services: StoreServices): Promise<Reply> {
  const { message, response, expectsContinue, requestId, line } = incoming
  const wire = readWire(message, services.bucket)
  const { method, query, headers } = wire
  const page = method === 'GET' ? findOpenPage(wire, services) : undefined
  if (page) return page
  // Leaving the loop early must not cut the connection, because the refusal still has to go out.
  const readMessage = () => message.iterator({ destroyOnReturn: false })
  if (isAssumeRole(wire)) {
    const body = await services.readUnverified(() =>
      readBounded(readMessage(), MAX_STS_BODY_BYTES, refusal('BadRequest')),
    )
    line.operation = 'AssumeRole'
    return assumeRole(wire, body.toString(), requestId, services)
  }
  checkBucket(wire, services)
  if (method === 'OPTIONS') return preflight(wire, services.settings.corsRules())
  const caller = {
    requestId,
    clientIp: (message.socket.remoteAddress ?? '').replace(/^::ffff:/, ''),
    body() {
      if (expectsContinue) response.writeContinue()
      return readMessage()
    },
  }
  if (isForm(method, message.headers) && query.size === 0) {
    line.operation = 'PostObject'
    return postObject({ ...caller, headers: message.headers }, services)
  }
  const { address, holder } = verifyRequest(wire, services)
  const { key } = address
  const operation = findOperation(wire, address)
  line.operation = operation.name
  if (key !== '') {
    checkKey(key)
    line.key = key
  }
  const { action = `oss:${operation.name}` } = operation
  if (action !== null) authorise(holder, action, address)
  if (operation.reads) authorise(holder, 'oss:GetObject', operation.reads(headers))
  const contentLength = readLength(headers)
  const request = { method, query, headers, key, holder, contentLength, ...caller }
  return operation.handler(request, services)
}

/** Comes before the key is judged, as on OSS. Every reading of an address names the same bucket. */
function checkBucket({ method, addresses }: WireRequest, services: StoreServices): void {
  const [{ bucket } = { bucket: '' }] = addresses
  if (bucket === services.bucket) return
  if (bucket === '' && method === 'GET') throw notImplemented('ListBuckets')
  throw refusal('NoSuchBucket', { ec: '0015-00000101', elements: { BucketName: bucket } })
}

/** The pages that need no signature. They exist on the store's own address only, so that no object can hide them. */
function findOpenPage({ addresses, rawPath }: WireRequest, services: StoreServices) {
  const { bucket, callbackKey, ownerId } = services
  if (addresses.some((address) => address.bucket === bucket)) return undefined
  if (rawPath === OWNER_PATH) return { status: 200, body: ownerId }
  if (rawPath !== PUBLIC_KEY_PATH) return undefined
  return {
    status: 200,
    headers: { 'content-type': 'application/x-pem-file' },
    body: callbackKey.publicKeyPem,
  }
}
