// OSS events through a topic of MNS (SMQ) that pushes to HTTP, signed with a certificate ("Verify the signature", SMQ). Every
// customer of Alibaba has MNS sign their messages, so that only the configured account's topic counts.
import { equalInConstantTime, fromBase64, fromUtf8, utf8 } from '../../bytes/encoding.ts'
import type { NotificationSource, ReceivedNotification } from '../../core/ports/notifications.ts'
import { contentMd5, contentMd5OfHex } from '../oss/md5.ts'
import { parseXmlTree, textAt } from '../rest/xml-tree.ts'
import { certificateUrl } from './certificates.ts'
import { listIn, parseJson, present, textIn } from './read.ts'
import { readOssEvent } from './records.ts'
import type { SourceSettings } from './settings.ts'
import type { SourceWorld } from './world.ts'

const WINDOW_MS = 15 * 60_000

/** Undefined unless MNS itself serves it. The older examples name http. */
export const mnsCertificateUrl = (text: string | undefined): string | undefined =>
  certificateUrl(
    text,
    /^(mnstest\.oss-cn-hangzhou|mns-cert\.oss-cn-[a-z]+(-[a-z0-9]+)*)\.aliyuncs\.com$/,
  )

/**
 * Method, Content-MD5, Content-Type and date, each with LF; then each x-mns- header in order of its name, as `name:value` and LF;
 * then the path with its query.
 */
export function mnsStringToSign(headers: Headers, pathAndQuery: string): string {
  const first = ['content-md5', 'content-type'].map((name) => headers.get(name) ?? '')
  const date = headers.get('date') ?? headers.get('x-mns-date') ?? ''
  const own = [...headers].filter(([name]) => name.startsWith('x-mns-')).sort()
  return [
    ['POST', ...first, date].join('\n'),
    ...own.map(([name, value]) => `${name}:${value}`),
    pathAndQuery,
  ].join('\n')
}

interface Pushed {
  topic?: string
  owner?: string
  id?: string
  message?: string
}

/** The body in either of the formats that name the topic; the simplified one does not, and is refused. */
function readPushed(body: Uint8Array): Pushed {
  const json = parseJson(body)
  const inJson = (name: string) => textIn(json, name)
  const root = json === undefined ? parseXmlTree(textOf(body)) : undefined
  const read = root ? (name: string) => textAt(root, name) : inJson
  return {
    topic: read('TopicName'),
    owner: read('TopicOwner'),
    id: read('MessageId'),
    message: read('Message'),
  }
}

function textOf(bytes: Uint8Array): string {
  try {
    return fromUtf8(bytes)
  } catch {
    return ''
  }
}

/** OSS encodes its messages in base64. */
const messageOf = (text: string): unknown =>
  parseJson(text) ?? parseJson(fromBase64(text.trim()) ?? new Uint8Array())

export function mns(
  { accountId, topic }: SourceSettings<'mns'>,
  { verify, clock }: SourceWorld,
): NotificationSource {
  /** The signature covers only the header of the MD5, so that the body is compared with it. */
  async function isVerified({ headers, body, urls }: ReceivedNotification): Promise<boolean> {
    const md5 = headers.get('content-md5') ?? ''
    const hasThisBody = [contentMd5(body), contentMd5OfHex(body)].some((ours) =>
      equalInConstantTime(md5, ours),
    )
    const encodedUrl = fromBase64(headers.get('x-mns-signing-cert-url') ?? '')
    const certificate = mnsCertificateUrl(encodedUrl && textOf(encodedUrl))
    const sentAt = Date.parse(headers.get('date') ?? headers.get('x-mns-date') ?? '')
    if (!hasThisBody || !certificate) return false
    if (!(Math.abs(clock().getTime() - sentAt) <= WINDOW_MS)) return false
    const signature = headers.get('authorization') ?? ''
    for (const path of new Set(urls.map((url) => url.replace(/^[a-z]+:\/\/[^/?]*/i, '')))) {
      const text = utf8(mnsStringToSign(headers, path))
      if (await verify(certificate, 'SHA-1', signature, text)) return true
    }
    return false
  }

  return {
    name: 'mns',
    async receive(request) {
      if (!request.headers.has('x-mns-signing-cert-url')) return undefined
      const pushed = readPushed(request.body)
      if (pushed.topic !== topic || pushed.owner !== accountId) return undefined
      if (!(await isVerified(request))) return undefined
      const events = listIn(messageOf(pushed.message ?? ''), 'events')
      const { id = '' } = pushed
      return present(
        await Promise.all(
          events.map((event, index) =>
            readOssEvent(event, textIn(event, 'eventName'), `${id}:${index}`),
          ),
        ),
      )
    },
  }
}
