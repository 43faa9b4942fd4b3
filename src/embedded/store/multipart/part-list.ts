// Reads the body of CompleteMultipartUpload. Refuses a DOCTYPE, unknown elements and numbers that do not ascend.
import { XMLParser, XMLValidator } from 'fast-xml-parser'
import { refusal } from '../refusal.ts'

export interface ListedPart {
  partNumber: number
  etag: string
}

const parser = new XMLParser({
  ignoreAttributes: true,
  removeNSPrefix: true,
  parseTagValue: false,
  processEntities: false,
  isArray: (name) => name === 'Part',
})

/** Throws MalformedXML or InvalidPartOrder. */
export function readPartList(xml: string): ListedPart[] {
  if (/<!(DOCTYPE|ENTITY)/i.test(xml) || XMLValidator.validate(xml) !== true) {
    throw refusal('MalformedXML')
  }
  const root: unknown = parser.parse(xml)
  const body = childrenOf(childrenOf(root, ['CompleteMultipartUpload']).CompleteMultipartUpload, [
    'Part',
  ])
  if (!Array.isArray(body.Part) || body.Part.length === 0) throw refusal('MalformedXML')
  const parts = body.Part.map(readPart)
  parts.forEach(({ partNumber }, index) => {
    const previous = parts[index - 1]?.partNumber ?? 0
    if (partNumber <= previous || partNumber > 10_000) {
      throw refusal('InvalidPartOrder', { ec: '0042-00000209' })
    }
  })
  return parts
}

function readPart(value: unknown): ListedPart {
  const { PartNumber: partNumber, ETag: etag } = childrenOf(value, ['PartNumber', 'ETag'])
  if (typeof partNumber !== 'string' || !/^\d{1,9}$/.test(partNumber)) throw refusal('MalformedXML')
  if (typeof etag !== 'string' || etag === '') throw refusal('MalformedXML')
  return { partNumber: Number(partNumber), etag: plainEtag(etag) }
}

/** Upper case, without quotes. Clients write and escape them differently: Go writes `&#34;`. */
const plainEtag = (etag: string): string =>
  etag
    .replace(/&(quot|#34|#x22);|"/gi, '')
    .trim()
    .toUpperCase()

function childrenOf(value: unknown, allowed: readonly string[]): Record<string, unknown> {
  if (typeof value !== 'object' || value === null) throw refusal('MalformedXML')
  const names = Object.keys(value).filter((name) => name !== '?xml')
  if (names.some((name) => !allowed.includes(name))) throw refusal('MalformedXML')
  return value as Record<string, unknown>
}
