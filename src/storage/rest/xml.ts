// Reads the few XML bodies of the S3-shaped protocols, strictly and with a size limit.
import { XMLParser } from 'fast-xml-parser'

/** Larger answers are not read. A page of 1,000 parts takes about 250 KB. */
export const MAX_XML_BYTES = 4 * 1024 * 1024

const parser = new XMLParser({
  ignoreAttributes: true,
  removeNSPrefix: true,
  parseTagValue: false,
  processEntities: true,
  // Without it, numeric references such as &#34; stay as they are.
  htmlEntities: true,
  isArray: (name) => name === 'Part' || name === 'Upload',
})

export type XmlNode = { [name: string]: XmlNode | XmlNode[] | string | undefined }

/** Checks the end, because the parser accepts a document that was cut. */
const isWhole = (text: string, root: string, empty: boolean): boolean =>
  new RegExp(`</([\\w.-]+:)?${root}\\s*>\\s*$`).test(text.slice(-256)) ||
  (empty && /\/>\s*$/.test(text))

/** Undefined if the text is no document, was cut, or has a DOCTYPE. */
export function parseXml(text: string): { root: string; node: XmlNode } | undefined {
  if (/<!DOCTYPE/i.test(text)) return undefined
  try {
    const document = parser.parse(text) as Record<string, XmlNode | ''>
    const root = Object.keys(document).find((name) => name !== '?xml')
    if (!root || !isWhole(text, root, document[root] === '')) return undefined
    return { root, node: document[root] === '' ? {} : (document[root] as XmlNode) }
  } catch {
    return undefined
  }
}

export const textOf = (node: XmlNode, name: string): string | undefined => {
  const value = node[name]
  return typeof value === 'string' ? value : undefined
}

export const listOf = (node: XmlNode, name: string): XmlNode[] => {
  const value = node[name]
  return Array.isArray(value) ? value : []
}

export const escapeXml = (text: string): string =>
  text.replace(/[<>&"']/g, (character) => `&#${character.charCodeAt(0)};`)
