// Posts a signed callback and relays the application's answer to the uploader. If that fails, the answer is 203
// CallbackFailed, although the object is stored. Source: Alibaba Cloud OSS, "Upload callbacks".
import { createHash } from 'node:crypto'
import { base64, percentEncode, utf8 } from '../../../bytes/encoding.ts'
import { type Answer, exchange } from '../../../net/exchange.ts'
import type { ObjectManifest } from '../disk/records.ts'
import { isRefusal, refusal } from '../refusal.ts'
import type { Reply, StoreRequest, StoreServices } from '../services.ts'
import { percentDecode } from '../wire.ts'
import type { CallbackPlan } from './parameters.ts'

const TIMEOUT_MS = 5_000
const MAX_ANSWER_BYTES = 1024 * 1024

export const PUBLIC_KEY_PATH = '/.callback-public-key.pem'

interface CallbackFacts {
  manifest: ObjectManifest
  /** Base64. '' for a multipart completion. */
  contentMd5: string
  operation: string
}

type Caller = Pick<StoreRequest, 'requestId' | 'clientIp'>

/** Returns the reply with the application's answer as its body. Throws CallbackFailed. */
export async function withCallback(
  reply: Reply,
  plan: CallbackPlan,
  facts: CallbackFacts,
  request: Caller,
  services: StoreServices,
): Promise<Reply> {
  const body = utf8(renderBody(plan, facts, request, services.bucket))
  let failure: unknown
  for (const url of plan.urls) {
    try {
      const answer = await post(url, plan, body, request.requestId, services)
      const headers = { ...reply.headers, 'content-type': 'application/json' }
      return { ...reply, status: 200, headers, body: answer }
    } catch (error) {
      failure = error
      const fields = { requestId: request.requestId, host: url.host, error: String(error) }
      services.log('warn', 'callback failed', fields)
    }
  }
  throw asRefusal(failure)
}

/** Replaces each `${name}` of the template. */
function renderBody(
  { template, bodyType, variables }: CallbackPlan,
  { manifest, contentMd5, operation }: CallbackFacts,
  { requestId, clientIp }: Caller,
  bucket: string,
): string {
  const system = new Map<string, string | number>([
    ['bucket', bucket],
    ['object', manifest.key],
    ['etag', manifest.etag.replaceAll('"', '')],
    ['size', manifest.sizeBytes],
    ['mimeType', manifest.headers['content-type'] ?? ''],
    ['crc64', manifest.crc64],
    ['contentMd5', contentMd5],
    ['reqId', requestId],
    ['operation', operation],
    ['clientIp', clientIp],
  ])
  return template.replace(/\$\{([^}]*)\}/g, (_, name: string) => {
    const value = variables.get(name) ?? system.get(name) ?? ''
    return bodyType === 'application/json' ? JSON.stringify(value) : percentEncode(String(value))
  })
}

async function post(
  url: URL,
  plan: CallbackPlan,
  body: Uint8Array<ArrayBuffer>,
  requestId: string,
  services: StoreServices,
): Promise<string> {
  const { fetch, closing, clock, bucket, callbackKey, url: ownUrl } = services
  const limits = { timeoutMs: services.callbackTimeoutMs ?? TIMEOUT_MS, maxBytes: MAX_ANSWER_BYTES }
  const init: RequestInit = {
    method: 'POST',
    signal: closing,
    headers: {
      ...(plan.host ? { host: plan.host } : {}),
      'content-type': plan.bodyType,
      'content-md5': createHash('md5').update(body).digest('base64'),
      date: clock().toUTCString(),
      'user-agent': 'aliyun-oss-callback',
      'accept-encoding': 'identity',
      authorization: callbackKey.sign(signedBytes(url, body)),
      'x-oss-pub-key-url': base64(utf8(ownUrl() + PUBLIC_KEY_PATH)),
      'x-oss-bucket': bucket,
      'x-oss-request-id': requestId,
      'x-oss-signature-version': '1.0',
      'x-oss-additional-headers': '',
      'x-oss-tag': 'CALLBACK',
    },
    body,
  }
  return readAnswer(await exchange(fetch, url, init, limits))
}

/** The text that OSS signs: decoded path, raw query, LF, body. */
function signedBytes({ pathname, search }: URL, body: Uint8Array): Uint8Array {
  return Buffer.concat([utf8(`${percentDecode(pathname) ?? pathname}${search}\n`), body])
}

function readAnswer({ status, headers, body }: Answer): string {
  if (status !== 200) throw failed(`Error status : ${status}.`, '0007-00000203')
  if (headers.get('content-length') === null) {
    throw failed('Error Status : 400.User server missing content-length.', '0007-00000203')
  }
  const bytes = body()
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    JSON.parse(text)
    return text
  } catch {
    throw failed('Response body is not valid json format.', '0007-00000205')
  }
}

const failed = (message: string, ec?: string) => refusal('CallbackFailed', { message, ec })

function asRefusal(error: unknown) {
  if (isRefusal(error)) return error
  const name = error instanceof DOMException ? error.name : undefined
  if (name === 'TimeoutError') return failed('Cost too long time.')
  if (name === 'QuotaExceededError') return failed('The response body is larger than 1 MB.')
  return failed('Error status : 502.', '0007-00000203')
}
