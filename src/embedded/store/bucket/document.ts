// Reads, checks, answers and removes the bucket's XML documents.
import { parseXmlTree, type XmlElement } from '../../../storage/rest/xml-tree.ts'
import { readText } from '../body.ts'
import { type RefusalCode, refusal } from '../refusal.ts'
import type { Handler, StoreRequest } from '../services.ts'
import { documentReply } from '../xml.ts'

/** Reads the body as a document with this root element. Throws EntityTooLarge and MalformedXML. */
export async function readDocument(
  request: StoreRequest,
  maxBytes: number,
  rootName: string,
  ec?: string,
): Promise<{ xml: string; root: XmlElement }> {
  const xml = await readText(request, maxBytes, refusal('EntityTooLarge'))
  const root = parseXmlTree(xml)
  if (root?.name !== rootName) throw refusal('MalformedXML', { ec })
  return { xml, root }
}

/** The handlers of GET and DELETE. GET throws `missing` if no document is stored. `present` writes the stored one for an answer. */
export const documentHandlers = (
  name: 'cors' | 'lifecycle',
  missing: RefusalCode,
  present = (xml: string) => xml,
) => ({
  get: (async (_, { bucket, settings }) => {
    const xml = settings.get(name)
    if (xml !== undefined) return documentReply(present(xml))
    throw refusal(missing, { elements: { BucketName: bucket } })
  }) satisfies Handler,
  remove: (async (_, { settings }) => {
    await settings.set(name, undefined)
    return { status: 204 }
  }) satisfies Handler,
})

/** Throws MalformedXML for an unknown element. */
export function checkChildren({ children }: XmlElement, known: readonly string[]): void {
  if (children.some(({ name }) => !known.includes(name))) throw refusal('MalformedXML')
}

export const wholeNumber = (text: string | undefined): number | undefined =>
  text !== undefined && /^\s*\d{1,9}\s*$/.test(text) ? Number(text) : undefined
