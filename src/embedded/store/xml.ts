// Writes the XML bodies of the protocol.
import { percentEncode } from '../../bytes/encoding.ts'
import { invalidArgument } from './refusal.ts'
import type { WireQuery } from './wire.ts'

const ESCAPES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '\r': '&#13;' }

const escapeText = (text: string): string =>
  text
    .replace(/[&<>\r]/g, (character) => ESCAPES[character]!)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: XML 1.0 cannot carry them in any form
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '\ufffd')

/** Wraps text, which it escapes, or elements that are XML already. */
export const element = (name: string, content: string | readonly string[]): string =>
  `<${name}>${typeof content === 'string' ? escapeText(content) : content.join('')}</${name}>`

export const xmlDocument = (root: string): string =>
  `<?xml version="1.0" encoding="UTF-8"?>\n${root}`

/** A 200 answer with this root element. */
export const xmlReply = (root: string, headers: Record<string, string> = {}) =>
  documentReply(xmlDocument(root), headers)

/** A 200 answer with a whole document. */
export const documentReply = (body: string, headers: Record<string, string> = {}) => ({
  status: 200,
  headers: { 'content-type': 'application/xml', ...headers },
  body,
})

/** OSS writes whole seconds: `2023-12-16T16:20:57.000Z`. The Python SDK reads no other milliseconds. */
export const wholeSeconds = (time: string): string => time.replace(/\.\d{3}Z$/, '.000Z')

/** How the answer writes keys: percent-encoded if the client sends `encoding-type=url`. Throws InvalidArgument. */
export function readKeyEncoding(query: WireQuery) {
  const type = query.get('encoding-type')
  if (type !== undefined && type !== 'url') {
    throw invalidArgument('encoding-type', type, 'encoding-type must be url.')
  }
  return {
    elements: type ? [element('EncodingType', type)] : [],
    encode: (key: string) => (type ? percentEncode(key) : key),
  }
}
