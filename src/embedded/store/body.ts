// Receives request bodies: streamed to disk with their checks, or read whole up to a limit.
import { createHash } from 'node:crypto'
import { fromBase64 } from '../../bytes/encoding.ts'
import type { Bodies } from './disk/bodies.ts'
import type { StoredBody } from './disk/records.ts'
import { type RefusalCode, refusal } from './refusal.ts'
import type { StoreRequest } from './services.ts'
import type { WireHeaders } from './wire.ts'

export const MAX_BODY_BYTES = 5 * 1024 * 1024 * 1024

/** Stores the body. Throws, and leaves nothing on disk, if its length, MD5 or CRC64 is not what the headers declare. */
export async function receiveBody(request: StoreRequest, bodies: Bodies): Promise<StoredBody> {
  const { headers, contentLength } = request
  const declaredMd5 = readContentMd5(headers)
  if (contentLength === undefined && headers['transfer-encoding'] === undefined) {
    throw refusal('MissingContentLength')
  }
  if (contentLength !== undefined && contentLength > MAX_BODY_BYTES) throw refusal('EntityTooLarge')
  const stored = await bodies.receive(request.body(), MAX_BODY_BYTES)
  const fault = findDifference(stored, { ...request, declaredMd5 })
  if (!fault) return stored
  await bodies.discard([stored])
  throw refusal(fault)
}

function findDifference(
  { sizeBytes, md5, crc64 }: StoredBody,
  declared: Pick<StoreRequest, 'headers' | 'contentLength'> & { declaredMd5: string | undefined },
): RefusalCode | undefined {
  const { contentLength = sizeBytes, declaredMd5 = md5, headers } = declared
  if (sizeBytes !== contentLength) return 'IncompleteBody'
  if (md5 !== declaredMd5) return 'InvalidDigest'
  return (headers['x-oss-hash-crc64ecma'] ?? crc64) === crc64 ? undefined : 'InvalidCRC64'
}

/** Reads a small body as text and checks its Content-MD5. Throws `tooLarge` beyond the limit. */
export async function readText(
  request: StoreRequest,
  maxBytes: number,
  tooLarge: Error,
): Promise<string> {
  const declaredMd5 = readContentMd5(request.headers)
  if ((request.contentLength ?? 0) > maxBytes) throw tooLarge
  const bytes = await readBounded(request.body(), maxBytes, tooLarge)
  const md5 = createHash('md5').update(bytes).digest('hex').toUpperCase()
  if (declaredMd5 !== undefined && md5 !== declaredMd5) throw refusal('InvalidDigest')
  return bytes.toString()
}

/** Reads all of a small body. Throws `tooLarge` beyond the limit. */
export async function readBounded(
  body: AsyncIterable<Uint8Array>,
  maxBytes: number,
  tooLarge: Error,
): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body) {
    size += chunk.length
    if (size > maxBytes) throw tooLarge
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** The MD5 that the client declared, in upper-case hex. Throws InvalidDigest if it is not one. */
function readContentMd5(headers: WireHeaders): string | undefined {
  const header = headers['content-md5']
  if (header === undefined) return undefined
  const bytes = fromBase64(header.trim())
  if (bytes?.length !== 16) throw refusal('InvalidDigest')
  return Buffer.from(bytes).toString('hex').toUpperCase()
}
