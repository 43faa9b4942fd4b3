// Reads records of the S3 event format, which AWS, MinIO and Ceph send, and those of OSS.
import { digestHex } from '../../bytes/encoding.ts'
import type { ObjectHint } from '../../core/ports/notifications.ts'
import { formDecoded, hintOf, listIn, member, present, textIn } from './read.ts'

/** Gives the keys that an encoded key may stand for. */
type KeyRule = (key: string) => ReadonlyArray<string | undefined>

export const FORM_ENCODED: KeyRule = (key) => [formDecoded(key)]
/** Ceph documents raw keys, and other versions may encode them. */
export const RAW_OR_FORM_ENCODED: KeyRule = (key) => [key, formDecoded(key)]

/** The event formats that we know: "Event message structure", Amazon S3. */
const KNOWN_MAJOR = /^2\./

/** An `ObjectCreated:Post` is no completion, because Ceph raises it at initiate as well ("Bucket Notifications", Ceph). */
const UNFINISHED: Record<string, boolean> = {
  Put: false,
  Copy: false,
  CompleteMultipartUpload: false,
  Post: true,
}

/** The objects that records of the S3 format name. Other events than of a created object are left out. */
export async function readRecords(body: unknown, keysOf: KeyRule): Promise<ObjectHint[]> {
  const hints = listIn(body, 'Records').map(async (record) => {
    if (!KNOWN_MAJOR.test(textIn(record, 'eventVersion') ?? '')) return undefined
    const name = /^(?:s3:)?ObjectCreated:(\w+)$/.exec(textIn(record, 'eventName') ?? '')?.[1]
    const key = textIn(record, 's3', 'object', 'key')
    if (!name || !Object.hasOwn(UNFINISHED, name) || key === undefined) return undefined
    return hintOf({
      id: await idOf(record),
      keys: keysOf(key),
      bucket: textIn(record, 's3', 'bucket', 'name') ?? '',
      kind: UNFINISHED[name] ? 'unfinished' : 'completed',
    })
  })
  return present(await Promise.all(hints))
}

/** The sender's request and sequencer name an event; a record without them is named by its bytes. */
async function idOf(record: unknown): Promise<string> {
  const eventId = textIn(record, 'eventId')
  const request = textIn(record, 'responseElements', 'x-amz-request-id')
  const sequencer = textIn(record, 's3', 'object', 'sequencer')
  const named = [eventId, request, sequencer].filter((part) => part)
  return named.length ? named.join(':') : digestHex(JSON.stringify(record))
}

/** Events of OSS that create an object whole. Those of parts and of initiates only say that something happened. */
const OSS_KINDS: Record<string, ObjectHint['kind']> = {
  PutObject: 'completed',
  PostObject: 'completed',
  CopyObject: 'completed',
  CompleteMultipartUpload: 'completed',
  InitiateMultipartUpload: 'unfinished',
  UploadPart: 'unfinished',
  UploadPartCopy: 'unfinished',
}

/** One event of OSS, whose key is not encoded. `name` may begin with `oss:`. */
export async function readOssEvent(
  event: unknown,
  name: string | undefined,
  id: string,
): Promise<ObjectHint | undefined> {
  const operation = /^(?:oss:)?ObjectCreated:(\w+)$/.exec(name ?? '')?.[1]
  if (!operation || !Object.hasOwn(OSS_KINDS, operation)) return undefined
  const oss = member(event, 'oss')
  return hintOf({
    id,
    keys: [textIn(oss, 'object', 'key')],
    bucket: textIn(oss, 'bucket', 'name') ?? '',
    kind: OSS_KINDS[operation]!,
  })
}
