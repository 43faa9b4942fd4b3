// Writes the few XML bodies of the protocol.

const ESCAPES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '\r': '&#13;' }

const escapeText = (text: string): string =>
  text
    .replace(/[&<>\r]/g, (character) => ESCAPES[character]!)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: XML 1.0 cannot carry them in any form
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '\ufffd')

/** An element around text, or around elements that are already XML. */
export const element = (name: string, content: string | readonly string[]): string =>
  `<${name}>${typeof content === 'string' ? escapeText(content) : content.join('')}</${name}>`

export const xmlDocument = (root: string): string =>
  `<?xml version="1.0" encoding="UTF-8"?>\n${root}`

/** A 200 answer with this root element. */
export const xmlReply = (root: string, headers: Record<string, string> = {}) => ({
  status: 200,
  headers: { 'content-type': 'application/xml', ...headers },
  body: xmlDocument(root),
})
