// DeleteMultipleObjects: up to 1,000 keys, each of which a session policy must allow. Nothing is deleted if one is not.
// Source: Alibaba Cloud OSS, "DeleteMultipleObjects".
import { childrenNamed, textAt } from '../../../storage/rest/xml-tree.ts'
import { notImplemented, refusal } from '../refusal.ts'
import type { Handler } from '../services.ts'
import { authorise } from '../sts/keyring.ts'
import { checkKey } from '../wire.ts'
import { element, readKeyEncoding, xmlReply } from '../xml.ts'
import { checkChildren, readDocument } from './document.ts'

const MAX_BYTES = 2 * 1024 * 1024
const MAX_KEYS = 1000

/** `POST /?delete`. Answers the deleted keys, or nothing if the document says `Quiet`. */
export const deleteObjects: Handler = async (request, { bucket, disk }) => {
  const encoding = readKeyEncoding(request.query)
  if (request.headers['content-md5'] === undefined) {
    throw refusal('MissingArgument', {
      ec: '0016-00000606',
      elements: { ArgumentName: 'Content-MD5' },
    })
  }
  const { root } = await readDocument(request, MAX_BYTES, 'Delete')
  checkChildren(root, ['Quiet', 'Object'])
  const objects = childrenNamed(root, 'Object')
  const quiet = textAt(root, 'Quiet')?.trim() ?? 'false'
  const isValid = objects.length > 0 && objects.length <= MAX_KEYS
  if (!isValid || !['true', 'false'].includes(quiet)) throw refusal('MalformedXML')
  const keys = objects.map((object) => {
    checkChildren(object, ['Key', 'VersionId'])
    if (textAt(object, 'VersionId')) {
      throw notImplemented('DeleteMultipleObjects of versions', { ArgumentName: 'VersionId' })
    }
    // Not trimmed, because a key may begin or end with a space.
    const key = childrenNamed(object, 'Key')[0]?.text ?? ''
    checkKey(key)
    authorise(request.holder, 'oss:DeleteObject', { bucket, key })
    return key
  })
  for (const key of keys) await disk.deleteObject(key, () => {})
  if (quiet === 'true') return { status: 200 }
  const deleted = keys.map((key) => element('Deleted', [element('Key', encoding.encode(key))]))
  return xmlReply(element('DeleteResult', [...encoding.elements, ...deleted]))
}
