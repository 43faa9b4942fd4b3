// Reads an XML document as a tree. Each element has its source text, so that it can be written back unchanged.
import { XMLValidator } from 'fast-xml-parser'

export interface XmlElement {
  /** Without a namespace prefix. */
  name: string
  children: XmlElement[]
  /** The text of an element without children, decoded. */
  text: string
  openTag: string
  /** The source of the whole element. */
  xml: string
}

const TOKEN =
  /<!--[\s\S]*?-->|<!\[CDATA\[([\s\S]*?)\]\]>|<\?[\s\S]*?\?>|<(\/?)([^\s/>]+)((?:[^>"']|"[^"]*"|'[^']*')*)>/g

const NAMED: Record<string, string> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" }

const decoded = (text: string): string =>
  text.replace(
    /&(?:#x([0-9a-f]{1,6})|#(\d{1,7})|(\w+));/gi,
    (whole, hexadecimal, decimal, name) => {
      if (name) return NAMED[name] ?? whole
      const point = hexadecimal ? Number.parseInt(hexadecimal, 16) : Number(decimal)
      return point <= 0x10ffff ? String.fromCodePoint(point) : whole
    },
  )

interface Open extends XmlElement {
  start: number
}

/** The root element. Undefined if the text is no well-formed document, or has a DOCTYPE. */
export function parseXmlTree(document: string): XmlElement | undefined {
  if (/<!(DOCTYPE|ENTITY)/i.test(document) || XMLValidator.validate(document) !== true) {
    return undefined
  }
  const open: Open[] = []
  let root: XmlElement | undefined
  let textFrom = 0
  for (const token of document.matchAll(TOKEN)) {
    const [whole, cdata, slash, name, rest = ''] = token
    const parent = open.at(-1)
    if (parent) parent.text += decoded(document.slice(textFrom, token.index))
    textFrom = token.index + whole.length
    if (cdata !== undefined && parent) parent.text += cdata
    if (name === undefined) continue
    if (slash) {
      const element = open.pop()
      if (!element) return undefined
      element.xml = document.slice(element.start, textFrom)
    } else {
      const element = {
        name: name.replace(/^.*:/, ''),
        children: [],
        text: '',
        openTag: whole.replace(/\s*\/>$/, '>'),
        xml: whole,
        start: token.index,
      }
      // The validator accepts a second root if the first has no content.
      if (!parent && root) return undefined
      parent?.children.push(element)
      root ??= element
      if (!rest.endsWith('/')) open.push(element)
    }
  }
  return open.length === 0 ? root : undefined
}

export const childrenNamed = (element: XmlElement, name: string): XmlElement[] =>
  element.children.filter((child) => child.name === name)

/** The text of the first child of that name. */
export const textAt = (element: XmlElement | undefined, name: string): string | undefined =>
  element?.children.find((child) => child.name === name)?.text.trim()

/** Equal for two elements with equal content, in any order and with any space between. */
export function canonicalXml({ name, text, children }: XmlElement): string {
  if (children.length === 0) return `${name}=${JSON.stringify(text.trim())}`
  return `${name}{${children.map(canonicalXml).sort().join()}}`
}
