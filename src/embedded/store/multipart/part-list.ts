// Reads the body of CompleteMultipartUpload. Refuses a DOCTYPE, unknown elements and numbers that do not ascend.
import { parseXmlTree, textAt, type XmlElement } from '../../../storage/rest/xml-tree.ts'
import { refusal } from '../refusal.ts'

export interface ListedPart {
  partNumber: number
  etag: string
}

/** An empty list makes an empty object. Throws MalformedXML or InvalidPartOrder. */
export function readPartList(xml: string): ListedPart[] {
  const root = parseXmlTree(xml)
  const isList = root?.name === 'CompleteMultipartUpload' && holdsOnly(root, ['Part'])
  if (!isList) throw refusal('MalformedXML')
  const parts = root.children.map(readPart)
  parts.forEach(({ partNumber }, index) => {
    const previous = parts[index - 1]?.partNumber ?? 0
    if (partNumber <= previous || partNumber > 10_000) {
      throw refusal('InvalidPartOrder', { ec: '0042-00000209' })
    }
  })
  return parts
}

function readPart(part: XmlElement): ListedPart {
  const isPart = holdsOnly(part, ['PartNumber', 'ETag']) && part.children.length === 2
  const partNumber = textAt(part, 'PartNumber') ?? ''
  const etag = textAt(part, 'ETag')
  const isFlat = part.children.every(({ children }) => children.length === 0)
  if (!isPart || !isFlat || !/^\d{1,9}$/.test(partNumber) || !etag) throw refusal('MalformedXML')
  // Some clients write the quotes of an ETag, others leave them out.
  return { partNumber: Number(partNumber), etag: etag.replaceAll('"', '').trim().toUpperCase() }
}

const holdsOnly = ({ text, children }: XmlElement, names: readonly string[]): boolean =>
  text.trim() === '' && children.every(({ name }) => names.includes(name))
