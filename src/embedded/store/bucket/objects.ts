// ListObjects (V1) and ListObjectsV2. Source: Alibaba Cloud OSS, "ListObjects", "ListObjectsV2".
import { base64url, utf8 } from '../../../bytes/encoding.ts'
import type { ObjectSummary } from '../disk/records.ts'
import { compareBytes, type Entry, groupByPrefix, readCount } from '../paging.ts'
import { invalidArgument } from '../refusal.ts'
import type { Handler, StoreServices } from '../services.ts'
import type { WireQuery } from '../wire.ts'
import { element, readKeyEncoding, wholeSeconds, xmlReply } from '../xml.ts'
import { OWNER_ELEMENT } from './access.ts'

const PAGE = { usual: 100, min: 1, max: 1000 }

type Encoding = ReturnType<typeof readKeyEncoding>

/** `GET /` */
export const listObjects: Handler = async ({ query }, services) => {
  const encoding = readKeyEncoding(query)
  const marker = query.get('marker') ?? ''
  const page = readPage(query, marker, services)
  return listing(services, encoding, page, {
    before: [element('Marker', encoding.encode(marker))],
    after: page.truncated ? [element('NextMarker', encoding.encode(page.lastKey))] : [],
    withOwner: true,
  })
}

/** `GET /?list-type=2`. The continuation token is the last key of the page before. */
export const listObjectsV2: Handler = async ({ query }, services) => {
  const type = query.get('list-type') ?? ''
  if (type !== '2') throw invalidArgument('list-type', type, 'list-type must be 2.')
  const encoding = readKeyEncoding(query)
  const startAfter = query.get('start-after') ?? ''
  const token = query.get('continuation-token') ?? ''
  const page = readPage(query, token ? readToken(token) : startAfter, services)
  return listing(services, encoding, page, {
    before: [
      element('StartAfter', encoding.encode(startAfter)),
      ...(token ? [element('ContinuationToken', token)] : []),
      element('KeyCount', String(page.entries.length)),
    ],
    after: page.truncated ? [element('NextContinuationToken', base64url(utf8(page.lastKey)))] : [],
    withOwner: query.get('fetch-owner') === 'true',
  })
}

function readToken(token: string): string {
  if (/^[\w-]+$/.test(token)) return Buffer.from(token, 'base64url').toString()
  throw invalidArgument('continuation-token', token, 'The continuation token is not valid.')
}

interface Page {
  prefix: string
  delimiter: string
  maxKeys: number
  entries: Entry<ObjectSummary>[]
  truncated: boolean
  lastKey: string
}

/** The page of the keys after `marker`. A marker that is a common prefix stands for all keys below it. */
function readPage(query: WireQuery, marker: string, { disk }: StoreServices): Page {
  const maxKeys = readCount(query, 'max-keys', PAGE.usual, PAGE)
  const prefix = query.get('prefix') ?? ''
  const delimiter = query.get('delimiter') ?? ''
  const later = [...disk.objects()].filter(({ key }) => compareBytes(key, marker) > 0)
  const entries = groupByPrefix(later, prefix, delimiter)
    .filter(({ key, item }) => item !== undefined || key !== marker)
    .sort((a, b) => compareBytes(a.key, b.key))
  const page = entries.slice(0, maxKeys)
  return {
    prefix,
    delimiter,
    maxKeys,
    entries: page,
    truncated: entries.length > page.length,
    lastKey: page.at(-1)?.key ?? '',
  }
}

function listing(
  { bucket }: StoreServices,
  { elements, encode }: Encoding,
  { prefix, delimiter, maxKeys, entries, truncated }: Page,
  own: { before: string[]; after: string[]; withOwner: boolean },
) {
  const contents = (key: string, item: ObjectSummary) =>
    element('Contents', [
      element('Key', encode(key)),
      element('LastModified', wholeSeconds(item.lastModified)),
      element('ETag', item.etag),
      element('Type', item.kind),
      element('Size', String(item.sizeBytes)),
      element('StorageClass', item.storageClass),
      ...(own.withOwner ? [OWNER_ELEMENT] : []),
    ])
  return xmlReply(
    element('ListBucketResult', [
      ...elements,
      element('Name', bucket),
      element('Prefix', encode(prefix)),
      ...own.before,
      element('MaxKeys', String(maxKeys)),
      element('Delimiter', encode(delimiter)),
      element('IsTruncated', String(truncated)),
      ...own.after,
      ...entries.map(({ key, item }) =>
        item ? contents(key, item) : element('CommonPrefixes', [element('Prefix', encode(key))]),
      ),
    ]),
  )
}
