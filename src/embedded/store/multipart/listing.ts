// ListParts and ListMultipartUploads, in pages.
import type { OpenUpload, PartRecord } from '../disk/records.ts'
import { compareBytes, type Entry, groupByPrefix, readCount } from '../paging.ts'
import type { Handler } from '../services.ts'
import { element, readKeyEncoding, wholeSeconds, xmlReply } from '../xml.ts'
import { uploadIdOf } from './part.ts'

const MAX_PAGE = 1000

/** `GET /key?uploadId=ID` */
export const listParts: Handler = async (request, { bucket, disk }) => {
  const { key, query } = request
  const encoding = readKeyEncoding(query)
  const pageSize = readCount(query, 'max-parts', MAX_PAGE, { min: 1, max: MAX_PAGE })
  const marker = readCount(query, 'part-number-marker', 0, { min: 0, max: 10_000 })
  const upload = disk.findUpload(key, uploadIdOf(request))
  const remaining = [...upload.parts.values()]
    .filter(({ partNumber }) => partNumber > marker)
    .sort((a, b) => a.partNumber - b.partNumber)
  const page = remaining.slice(0, pageSize)
  const body = element('ListPartsResult', [
    ...encoding.elements,
    element('Bucket', bucket),
    element('Key', encoding.encode(key)),
    element('UploadId', upload.id),
    element('StorageClass', upload.headers['x-oss-storage-class'] ?? 'Standard'),
    element('PartNumberMarker', String(marker)),
    // Empty without a part: oss2 for Python reads the element of every answer.
    element('NextPartNumberMarker', String(page.at(-1)?.partNumber ?? '')),
    element('MaxParts', String(pageSize)),
    element('IsTruncated', String(remaining.length > page.length)),
    ...page.map(partElement),
  ])
  return xmlReply(body)
}

const partElement = (part: PartRecord): string =>
  element('Part', [
    element('PartNumber', String(part.partNumber)),
    element('LastModified', wholeSeconds(part.lastModified)),
    element('ETag', `"${part.md5}"`),
    element('HashCrc64ecma', part.crc64),
    element('Size', String(part.sizeBytes)),
  ])

/** `GET /?uploads` */
export const listUploads: Handler = async ({ query }, { bucket, disk }) => {
  const encoding = readKeyEncoding(query)
  const pageSize = readCount(query, 'max-uploads', MAX_PAGE, { min: 1, max: MAX_PAGE })
  const prefix = query.get('prefix') ?? ''
  const delimiter = query.get('delimiter') ?? ''
  const keyMarker = query.get('key-marker') ?? ''
  const idMarker = keyMarker ? (query.get('upload-id-marker') ?? '') : ''
  const entries = groupByPrefix([...disk.uploads()], prefix, delimiter)
    .filter((entry) => isAfter(entry, keyMarker, idMarker))
    .sort(compare)
  const page = entries.slice(0, pageSize)
  const last = page.at(-1)
  const body = element('ListMultipartUploadsResult', [
    ...encoding.elements,
    element('Bucket', bucket),
    element('KeyMarker', encoding.encode(keyMarker)),
    element('UploadIdMarker', idMarker),
    element('NextKeyMarker', encoding.encode(last?.key ?? '')),
    element('NextUploadIdMarker', last?.item?.id ?? ''),
    element('Delimiter', encoding.encode(delimiter)),
    element('Prefix', encoding.encode(prefix)),
    element('MaxUploads', String(pageSize)),
    element('IsTruncated', String(entries.length > page.length)),
    ...page.map(({ key, item: upload }) =>
      upload
        ? element('Upload', [
            element('Key', encoding.encode(key)),
            element('UploadId', upload.id),
            element('Initiated', wholeSeconds(upload.initiatedAt)),
          ])
        : element('CommonPrefixes', [element('Prefix', encoding.encode(key))]),
    ),
  ])
  return xmlReply(body)
}

/** Sorts keys by their bytes, and the uploads of a key by id. A common prefix has no upload. */
const compare = (a: Entry<OpenUpload>, b: Entry<OpenUpload>): number =>
  compareBytes(a.key, b.key) || compareBytes(a.item?.id ?? '', b.item?.id ?? '')

function isAfter({ key, item }: Entry<OpenUpload>, keyMarker: string, idMarker: string): boolean {
  if (keyMarker === '') return true
  const order = compareBytes(key, keyMarker)
  if (order !== 0) return order > 0
  return item !== undefined && idMarker !== '' && item.id > idMarker
}
