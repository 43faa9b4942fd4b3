// Listings of parts and uploads, page by page, with percent-encoded keys, because XML cannot carry every character of a key.
import type { ListedUpload, ListedUploadsPage, ObjectStore } from '../../core/ports/object-store.ts'
import { StoreFailure } from '../../core/ports/store-failure.ts'
import type { StoredPart, StoredUpload } from '../../core/stored.ts'
import type { Caller, StoreCall } from './call.ts'
import type { Dialect } from './dialect.ts'
import { encodedKeys } from './headers.ts'
import { lostUpload, type StoreAnswer } from './send.ts'
import * as read from './values.ts'
import { listOf, textOf, type XmlNode } from './xml.ts'

const PAGE = '1000'
/** Of uploads under one key. Callers abort the listed ones and look again later. */
const MAX_LISTED = 5000

const unreadable = ({ status }: StoreAnswer) =>
  new StoreFailure('ambiguous', 'UnreadableAnswer', status)

/** Decodes keys only if the answer says that they are encoded. */
function keyReader(
  page: XmlNode,
  answer: StoreAnswer,
  { plusIsSpace }: Dialect,
): (node: XmlNode, name: string) => string {
  const encoded = textOf(page, 'EncodingType') === 'url'
  return (node, name) => {
    const text = textOf(node, name) ?? ''
    if (!encoded) return text
    try {
      return decodeURIComponent(plusIsSpace ? text.replaceAll('+', ' ') : text)
    } catch {
      throw unreadable(answer)
    }
  }
}

/** A part that lacks a value cannot be judged, so the whole answer counts as unreadable. */
function storedPart(part: XmlNode, answer: StoreAnswer, { partChecksums }: Dialect): StoredPart {
  const partNumber = read.wholeNumber(textOf(part, 'PartNumber'))
  const sizeBytes = read.wholeNumber(textOf(part, 'Size'))
  const etag = read.etag(textOf(part, 'ETag'))
  const lastModified = read.date(textOf(part, 'LastModified'))
  if (!partNumber || sizeBytes === undefined || !etag || !lastModified) throw unreadable(answer)
  return { partNumber, sizeBytes, etag, checksums: partChecksums(part), lastModified }
}

function listedUpload(upload: XmlNode, key: string, answer: StoreAnswer): ListedUpload {
  const storageUploadId = textOf(upload, 'UploadId')
  const initiatedAt = read.date(textOf(upload, 'Initiated'))
  if (!key || !storageUploadId || !initiatedAt) throw unreadable(answer)
  return { key, storageUploadId, initiatedAt }
}

type Listing = Pick<ObjectStore, 'listParts' | 'listUploads' | 'listUploadsBelow'>

export function restListing({ read: ask }: Caller, dialect: Dialect): Listing {
  async function listUploadsBelow(
    prefix: string,
    after?: StoredUpload,
  ): Promise<ListedUploadsPage> {
    const call: StoreCall = {
      method: 'GET',
      query: [
        ...(dialect.encodesListedKeys ? ([['encoding-type', 'url']] as const) : []),
        ['max-uploads', PAGE],
        ['prefix', prefix],
        ['uploads', ''],
        ...(after
          ? ([
              ['key-marker', after.key],
              ['upload-id-marker', after.storageUploadId],
            ] as const)
          : []),
      ],
    }
    const { answer, node: page } = await ask(call, 'ListMultipartUploadsResult')
    const keyOf = keyReader(page, answer, dialect)
    const uploads = listOf(page, 'Upload').map((upload) =>
      listedUpload(upload, keyOf(upload, 'Key'), answer),
    )
    if (textOf(page, 'IsTruncated') !== 'true') return { uploads }
    const next = {
      key: keyOf(page, 'NextKeyMarker'),
      storageUploadId: textOf(page, 'NextUploadIdMarker') ?? '',
    }
    // A marker that stays would repeat the page without end. S3 sorts the uploads of a key by their time, not by their ids.
    const stays = next.key === after?.key && next.storageUploadId === after.storageUploadId
    if (!next.key.startsWith(prefix) || next.key === '' || stays) throw unreadable(answer)
    return { uploads, next }
  }

  return {
    async *listParts(upload: StoredUpload) {
      for (let marker = ''; ; ) {
        const call: StoreCall = {
          method: 'GET',
          key: upload.key,
          query: [
            ...encodedKeys(dialect),
            ['max-parts', PAGE],
            ...(marker ? ([['part-number-marker', marker]] as const) : []),
            ['uploadId', upload.storageUploadId],
          ],
        }
        const { answer, node: page } = await ask(call, 'ListPartsResult').catch(lostUpload(dialect))
        yield listOf(page, 'Part').map((part) => storedPart(part, answer, dialect))
        if (textOf(page, 'IsTruncated') !== 'true') return
        const next = textOf(page, 'NextPartNumberMarker') ?? ''
        if (next === '' || !(Number(next) > Number(marker || 0))) throw unreadable(answer)
        marker = next
      }
    },

    async listUploads(key) {
      const found: ListedUpload[] = []
      let after: StoredUpload | undefined
      do {
        const page: ListedUploadsPage = await listUploadsBelow(key, after)
        found.push(...page.uploads.filter((upload) => upload.key === key))
        // Pages are sorted by key, then by upload id, so a marker with another key is past the last upload of this key.
        after = page.next?.key === key ? page.next : undefined
      } while (after && found.length < MAX_LISTED)
      return found
    },

    listUploadsBelow,
  }
}
