// The source of CopyObject and UploadPartCopy: where it is, and the conditions on it.
import { invalidArgument, refusal } from '../refusal.ts'
import type { StoreRequest, StoreServices } from '../services.ts'
import { type Address, percentDecode, type WireHeaders } from '../wire.ts'
import { checkConditions } from './conditions.ts'
import { openObject } from './read.ts'

const CONDITIONS = ['if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since']

/** Opens the source, which stays readable until `end`. Throws a refusal, also if a condition on it does not hold. */
export async function openSource(
  { headers, contentLength }: StoreRequest,
  { bucket, disk }: StoreServices,
) {
  if (contentLength) {
    throw invalidArgument('x-oss-copy-source', '', 'A copy has no request body.')
  }
  const source = copySource(headers)
  if (source.bucket !== bucket) {
    throw refusal('NoSuchBucket', { elements: { BucketName: source.bucket } })
  }
  const { manifest, end } = await openObject(disk, source.key)
  try {
    checkConditions(manifest, sourceConditions(headers))
    return { source, manifest, end }
  } catch (error) {
    await end()
    throw error
  }
}

/** Reads `x-oss-copy-source`: `/bucket/key`, percent-encoded. A plus sign is a space, because the Go SDK writes it so. */
export function copySource(headers: WireHeaders): Address {
  const value = headers['x-oss-copy-source'] ?? ''
  const [path = '', version] = value.split('?')
  if (version !== undefined) {
    throw refusal('NotImplemented', { elements: { Header: 'x-oss-copy-source' } })
  }
  const [, bucket = '', key = ''] =
    /^\/?([^/]+)\/(.+)$/.exec(percentDecode(path.replaceAll('+', ' ')) ?? '') ?? []
  if (key) return { bucket, key }
  throw invalidArgument('x-oss-copy-source', value, 'The copy source is not /bucket/key.')
}

/** The conditions on the source, under the names of a GET. */
const sourceConditions = (headers: WireHeaders): WireHeaders =>
  Object.fromEntries(
    CONDITIONS.flatMap((name) => {
      const value = headers[`x-oss-copy-source-${name}`]
      return value === undefined ? [] : [[name, value]]
    }),
  )
