// What the bucket's XML documents have in common: only known elements, whole numbers, and how one is answered.
import type { XmlElement } from '../../../storage/rest/xml-tree.ts'
import { refusal } from '../refusal.ts'
import type { Reply } from '../services.ts'

/** Throws MalformedXML for an element that OSS does not know there. */
export function checkChildren({ children }: XmlElement, known: readonly string[]): void {
  if (children.some(({ name }) => !known.includes(name))) throw refusal('MalformedXML')
}

export const wholeNumber = (text: string | undefined): number | undefined =>
  text !== undefined && /^\s*\d{1,9}\s*$/.test(text) ? Number(text) : undefined

export const documentReply = (xml: string): Reply => ({
  status: 200,
  headers: { 'content-type': 'application/xml' },
  body: xml,
})
