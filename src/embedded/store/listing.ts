// ListParts and ListMultipartUploads, in pages.
import { percentEncode } from '../../bytes/encoding.ts'
import type { OpenUpload, PartRecord } from './disk/records.ts'
import { invalidArgument } from './refusal.ts'
import type { Handler } from './services.ts'
import { element, xmlReply } from './xml.ts'

const MAX_PAGE = 1000

/** How keys stand in the XML: percent-encoded where the client asked for `encoding-type=url`. */
export function encoded(query: ReadonlyMap<string, string>) {
  const type = query.get('encoding-type')
  if (type !== undefined && type !== 'url') {
    throw invalidArgument('encoding-type', type, 'encoding-type must be url.')
  }
  return {
    declaration: type ? [element('EncodingType', type)] : [],
    text: (value: string) => (type ? percentEncode(value) : value),
  }
}

/** As OSS writes times: `2023-12-16T16:20:57.000Z`. The Python SDK reads no other milliseconds. */
const wholeSeconds = (time: string): string => time.replace(/\.\d{3}Z$/, '.000Z')

/** `GET /key?uploadId=ID` */
export const listParts: Handler = async ({ key, query }, { bucket, disk }) => {
  const inXml = encoded(query)
  const pageSize = readNumber(query, 'max-parts', MAX_PAGE, 1, MAX_PAGE)
  const marker = readNumber(query, 'part-number-marker', 0, 0, 10_000)
  const upload = disk.findUpload(key, query.get('uploadId') ?? '')
  const after = [...upload.parts.values()]
    .filter(({ partNumber }) => partNumber > marker)
    .sort((a, b) => a.partNumber - b.partNumber)
  const page = after.slice(0, pageSize)
  const body = element('ListPartsResult', [
    ...inXml.declaration,
    element('Bucket', bucket),
    element('Key', inXml.text(key)),
    element('UploadId', upload.id),
    element('StorageClass', upload.headers['x-oss-storage-class'] ?? 'Standard'),
    element('PartNumberMarker', String(marker)),
    element('NextPartNumberMarker', String(page.at(-1)?.partNumber ?? marker)),
    element('MaxParts', String(pageSize)),
    element('IsTruncated', String(after.length > page.length)),
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

/** `GET /?uploads`: sorted by the bytes of the key, then by upload id. */
export const listUploads: Handler = async ({ query }, { bucket, disk }) => {
  const inXml = encoded(query)
  const pageSize = readNumber(query, 'max-uploads', MAX_PAGE, 1, MAX_PAGE)
  const prefix = query.get('prefix') ?? ''
  const delimiter = query.get('delimiter') ?? ''
  const keyMarker = query.get('key-marker') ?? ''
  const idMarker = keyMarker ? (query.get('upload-id-marker') ?? '') : ''
  const entries = group([...disk.uploads()], prefix, delimiter)
    .filter((entry) => isAfter(entry, keyMarker, idMarker))
    .sort(compare)
  const page = entries.slice(0, pageSize)
  const truncated = entries.length > page.length
  const last = truncated ? page.at(-1) : undefined
  const body = element('ListMultipartUploadsResult', [
    ...inXml.declaration,
    element('Bucket', bucket),
    element('KeyMarker', inXml.text(keyMarker)),
    element('UploadIdMarker', idMarker),
    element('NextKeyMarker', inXml.text(last?.key ?? '')),
    element('NextUploadIdMarker', last?.upload?.id ?? ''),
    element('Delimiter', inXml.text(delimiter)),
    element('Prefix', inXml.text(prefix)),
    element('MaxUploads', String(pageSize)),
    element('IsTruncated', String(truncated)),
    ...page.map(({ key, upload }) =>
      upload
        ? element('Upload', [
            element('Key', inXml.text(key)),
            element('UploadId', upload.id),
            element('Initiated', wholeSeconds(upload.initiatedAt)),
          ])
        : element('CommonPrefixes', [element('Prefix', inXml.text(key))]),
    ),
  ])
  return xmlReply(body)
}

/** An upload, or what several keys have in common up to the delimiter. */
interface Entry {
  key: string
  upload?: OpenUpload
}

function group(uploads: readonly OpenUpload[], prefix: string, delimiter: string): Entry[] {
  const entries: Entry[] = []
  const common = new Set<string>()
  for (const upload of uploads) {
    if (!upload.key.startsWith(prefix)) continue
    const at = delimiter ? upload.key.indexOf(delimiter, prefix.length) : -1
    if (at < 0) entries.push({ key: upload.key, upload })
    else common.add(upload.key.slice(0, at + delimiter.length))
  }
  return [...entries, ...[...common].map((key) => ({ key }))]
}

function isAfter({ key, upload }: Entry, keyMarker: string, idMarker: string): boolean {
  if (keyMarker === '') return true
  const order = compareBytes(key, keyMarker)
  if (order !== 0) return order > 0
  return upload !== undefined && idMarker !== '' && upload.id > idMarker
}

const compareBytes = (a: string, b: string): number =>
  Buffer.compare(Buffer.from(a), Buffer.from(b))

const compare = (a: Entry, b: Entry): number =>
  compareBytes(a.key, b.key) || compareBytes(a.upload?.id ?? '', b.upload?.id ?? '')

function readNumber(
  query: ReadonlyMap<string, string>,
  name: string,
  usual: number,
  min: number,
  max: number,
): number {
  const text = query.get(name)
  if (text === undefined || text === '') return usual
  const value = /^\d{1,9}$/.test(text) ? Number(text) : -1
  if (value < min || value > max) {
    throw invalidArgument(name, text, `${name} must be an integer between ${min} and ${max}.`)
  }
  return value
}
