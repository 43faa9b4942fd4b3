// ListObjects in both versions, in pages. A page reads the manifests of its own keys only.
// Source: Alibaba Cloud OSS, "ListObjects (GetBucket)", "ListObjectsV2 (GetBucketV2)".
import { base64url, fromBase64url, fromUtf8, utf8 } from '../../../bytes/encoding.ts'
import type { Disk } from '../disk/index.ts'
import { compareBytes, type Entry, groupByPrefix, readCount } from '../paging.ts'
import { invalidArgument } from '../refusal.ts'
import type { Handler } from '../services.ts'
import type { WireQuery } from '../wire.ts'
import { element, readKeyEncoding, wholeSeconds, xmlReply } from '../xml.ts'
import { ownerElement } from './access.ts'

const MAX_PAGE = 1000
const USUAL_PAGE = 100
const NOT_UTF8 = Uint8Array.of(255)

/** `GET /`, and with `list-type=2` the second version. */
export const listObjects: Handler = async ({ query }, { bucket, disk }) => {
  const version = readVersion(query)
  const encoding = readKeyEncoding(query)
  const pageSize = readCount(query, 'max-keys', USUAL_PAGE, { min: 1, max: MAX_PAGE })
  const [prefix, delimiter] = [query.get('prefix') ?? '', query.get('delimiter') ?? '']
  const after = version === 2 ? readStart(query) : (query.get('marker') ?? '')
  const entries = entriesAfter(disk, { prefix, delimiter, after })
  const page = entries.slice(0, pageSize)
  const truncated = entries.length > page.length
  const last = page.at(-1)?.key ?? ''
  const encoded = (name: string, text: string) => element(name, encoding.encode(text))
  const withOwner = version === 1 || query.get('fetch-owner') === 'true'
  const items = await Promise.all(
    page.map((entry) => entryElement(entry, disk, encoding.encode, withOwner)),
  )
  const position =
    version === 1
      ? [encoded('Marker', after), ...(truncated ? [encoded('NextMarker', last)] : [])]
      : [
          encoded('StartAfter', query.get('start-after') ?? ''),
          element('ContinuationToken', query.get('continuation-token') ?? ''),
          ...(truncated ? [element('NextContinuationToken', base64url(utf8(last)))] : []),
          element('KeyCount', String(items.filter((item) => item !== '').length)),
        ]
  return xmlReply(
    element('ListBucketResult', [
      ...encoding.elements,
      element('Name', bucket),
      encoded('Prefix', prefix),
      element('MaxKeys', String(pageSize)),
      encoded('Delimiter', delimiter),
      element('IsTruncated', String(truncated)),
      ...position,
      ...items,
    ]),
  )
}

function readVersion(query: WireQuery): 1 | 2 {
  const type = query.get('list-type')
  if (type === undefined) return 1
  if (type === '2') return 2
  throw invalidArgument('list-type', type, 'list-type must be 2.')
}

/** The key after which a page of the second version begins. A token holds the last one of the page before. */
function readStart(query: WireQuery): string {
  const token = query.get('continuation-token')
  if (!token) return query.get('start-after') ?? ''
  try {
    return fromUtf8(fromBase64url(token) ?? NOT_UTF8)
  } catch {
    throw invalidArgument('continuation-token', token, 'It is not a token of this listing.')
  }
}

interface Listed {
  prefix: string
  delimiter: string
  after: string
}

/** A common prefix that ended the page before does not come again, even though it has keys after itself. */
function entriesAfter(disk: Disk, { prefix, delimiter, after }: Listed): Entry<{ key: string }>[] {
  const keys = [...disk.keys()]
    .filter((key) => key.startsWith(prefix) && (after === '' || compareBytes(key, after) > 0))
    .map((key) => ({ key }))
  return groupByPrefix(keys, prefix, delimiter)
    .filter(({ key }) => key !== after)
    .sort((a, b) => compareBytes(a.key, b.key))
}

/** '' if the object is gone meanwhile. */
async function entryElement(
  { key, item }: Entry<{ key: string }>,
  disk: Disk,
  encode: (key: string) => string,
  withOwner: boolean,
): Promise<string> {
  if (!item) return element('CommonPrefixes', [element('Prefix', encode(key))])
  const manifest = await disk.readManifest(key)
  if (!manifest) return ''
  return element('Contents', [
    element('Key', encode(key)),
    element('LastModified', wholeSeconds(manifest.lastModified)),
    element('ETag', manifest.etag),
    element('Type', manifest.kind),
    element('Size', String(manifest.sizeBytes)),
    element('StorageClass', manifest.headers['x-oss-storage-class'] ?? 'Standard'),
    ...(withOwner ? [ownerElement()] : []),
  ])
}
