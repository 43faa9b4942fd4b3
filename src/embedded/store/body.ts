// Receives request bodies: streamed to disk with their checks, or read whole up to a limit.
import { createHash } from 'node:crypto'
import { fromBase64 } from '../../bytes/encoding.ts'
import type { Bodies } from './disk/bodies.ts'
import type { StoredBody } from './disk/records.ts'
import { refusal } from './refusal.ts'
import type { StoreRequest } from './services.ts'

export const MAX_BODY_BYTES = 5 * 1024 * 1024 * 1024

/** Stores the body; a length, MD5 or CRC64 that differs from what the client said leaves nothing behind. */
export async function receiveBody(request: StoreRequest, bodies: Bodies): Promise<StoredBody> {
  const { headers, contentLength } = request
  const expectedMd5 = contentMd5(headers)
  if (contentLength === undefined && headers['transfer-encoding'] === undefined) {
    throw refusal('MissingContentLength')
  }
  if (contentLength !== undefined && contentLength > MAX_BODY_BYTES) throw refusal('EntityTooLarge')
  const stored = await bodies.receive(request.body(), MAX_BODY_BYTES)
  const problem = problemWith(stored, request, expectedMd5)
  if (!problem) return stored
  await bodies.discard([stored])
  throw problem
}

function problemWith(stored: StoredBody, request: StoreRequest, expectedMd5: string | undefined) {
  const { headers, contentLength } = request
  if (contentLength !== undefined && stored.sizeBytes !== contentLength) {
    return refusal('IncompleteBody')
  }
  if (expectedMd5 !== undefined && stored.md5 !== expectedMd5) return refusal('InvalidDigest')
  const crc = headers['x-oss-hash-crc64ecma']
  if (crc !== undefined && crc !== stored.crc64) return refusal('InvalidCRC64')
  return undefined
}

/** Reads a small body as text. `tooLarge` is thrown beyond the limit. */
export async function readText(
  request: StoreRequest,
  maxBytes: number,
  tooLarge: Error,
): Promise<string> {
  const expectedMd5 = contentMd5(request.headers)
  if ((request.contentLength ?? 0) > maxBytes) throw tooLarge
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of request.body()) {
    size += chunk.length
    if (size > maxBytes) throw tooLarge
    chunks.push(chunk)
  }
  const bytes = Buffer.concat(chunks)
  const md5 = createHash('md5').update(bytes).digest('hex').toUpperCase()
  if (expectedMd5 !== undefined && md5 !== expectedMd5) throw refusal('InvalidDigest')
  return bytes.toString('utf8')
}

/** The MD5 that the client declared, in upper-case hex. */
function contentMd5(headers: Readonly<Record<string, string>>): string | undefined {
  const header = headers['content-md5']
  if (header === undefined) return undefined
  const bytes = fromBase64(header.trim())
  if (bytes?.length !== 16) throw refusal('InvalidDigest')
  return Buffer.from(bytes).toString('hex').toUpperCase()
}
