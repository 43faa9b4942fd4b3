// DeleteMultipleObjects. Source: Alibaba Cloud OSS, "DeleteMultipleObjects", and the pages of its EC codes.
import { childrenNamed, textAt, type XmlElement } from '../../../storage/rest/xml-tree.ts'
import { invalidArgument, refusal } from '../refusal.ts'
import type { Handler } from '../services.ts'
import { authorise } from '../sts/keyring.ts'
import { checkKey } from '../wire.ts'
import { element, readKeyEncoding, xmlReply } from '../xml.ts'
import { checkChildren, readDocument } from './document.ts'

const MAX_BYTES = 2 * 1024 * 1024
const MAX_KEYS = 1000

/** `POST /?delete`. Deletes nothing unless the session policy allows every key. */
export const deleteObjects: Handler = async (request, { bucket, disk }) => {
  if (request.headers['content-md5'] === undefined) {
    throw invalidArgument('Content-MD5', '', 'Content-MD5 is missing.', '0016-00000606')
  }
  const encoding = readKeyEncoding(request.query)
  const { root } = await readDocument(request, MAX_BYTES, 'Delete')
  const { keys, quiet } = readDeletion(root)
  for (const key of keys) authorise(request.holder, 'oss:DeleteObject', { bucket, key })
  for (const key of keys) await disk.deleteObject(key, () => {})
  if (quiet) return { status: 200 }
  return xmlReply(
    element('DeleteResult', [
      ...encoding.elements,
      ...keys.map((key) => element('Deleted', [element('Key', encoding.encode(key))])),
    ]),
  )
}

/** Throws MalformedXML, NotImplemented for a version, and InvalidObjectName. */
function readDeletion(root: XmlElement): { keys: string[]; quiet: boolean } {
  checkChildren(root, ['Quiet', 'Object'])
  const objects = childrenNamed(root, 'Object')
  const quiet = textAt(root, 'Quiet') ?? 'false'
  if (objects.length < 1 || objects.length > MAX_KEYS || !/^(true|false)$/i.test(quiet)) {
    throw refusal('MalformedXML')
  }
  const keys = objects.map((object) => {
    checkChildren(object, ['Key', 'VersionId'])
    if (textAt(object, 'VersionId')) {
      throw refusal('NotImplemented', { elements: { ArgumentName: 'VersionId' } })
    }
    // The text as it is: a key may begin or end with a space.
    const key = childrenNamed(object, 'Key')[0]?.text
    if (!key) throw refusal('MalformedXML', { ec: '0016-00000613' })
    checkKey(key)
    return key
  })
  return { keys, quiet: quiet.toLowerCase() === 'true' }
}
