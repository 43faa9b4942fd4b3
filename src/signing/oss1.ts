// OSS signature V1, by header or by URL. Countersign signs with V4; the embedded store verifies V1, the default of older
// clients. Source: Alibaba Cloud OSS, "Include signatures in the Authorization header" (V1).
import type { Oss4Request } from './oss4.ts'

type Oss1Request = Omit<Oss4Request, 'additionalHeaders'>

/** Sub-resources, which are signed like every `x-oss-…` parameter. The union over the SDKs. */
const SUB_RESOURCES = new Set(
  `uploads uploadId partNumber security-token callback callback-var response-content-type
  response-content-language response-expires response-cache-control response-content-disposition
  response-content-encoding versionId versions acl symlink restore tagging append position delete objectMeta
  sequential continuation-token cors lifecycle location logging referer website policy bucketInfo stat versioning
  encryption requestPayment qos qosInfo inventory inventoryId worm wormId wormExtend replication
  replicationLocation replicationProgress transferAcceleration cname metaQuery resourceGroup style styleName live
  status comp vod startTime endTime asyncFetch regionList cloudboxes httpsConfig redundancyTransition accessPoint
  accessPointPolicy publicAccessBlock group link img objectInfo`.split(/\s+/),
)

/** `/bucket/key?sub-resources`, not encoded. */
function canonicalResource({ bucket, key = '', query }: Oss1Request): string {
  const signed = query
    .filter(([name]) => SUB_RESOURCES.has(name) || name.startsWith('x-oss-'))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => (value === '' ? name : `${name}=${value}`))
  const path = bucket === undefined ? '/' : `/${bucket}/${key}`
  return signed.length ? `${path}?${signed.join('&')}` : path
}

/** `date` is the RFC 1123 time of a request, or the decimal Unix time at which a URL expires. */
export function oss1StringToSign(request: Oss1Request, date: string): string {
  const headers = Object.entries(request.headers).map(
    ([name, value]) => [name.toLowerCase(), value.trim()] as const,
  )
  const header = (wanted: string) => headers.find(([name]) => name === wanted)?.[1] ?? ''
  const own = headers
    .filter(([name]) => name.startsWith('x-oss-'))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}:${value}\n`)
  return [
    request.method.toUpperCase(),
    header('content-md5'),
    header('content-type'),
    date,
    `${own.join('')}${canonicalResource(request)}`,
  ].join('\n')
}
