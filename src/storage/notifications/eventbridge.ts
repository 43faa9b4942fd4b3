// OSS events through Alibaba's EventBridge: signature version 2, RSA with SHA-256 over the URL, five headers and the body
// (reference: "Signature algorithm", EventBridge). Version 1 is not accepted.
import { concatBytes, equalInConstantTime, utf8 } from '../../bytes/encoding.ts'
import type { NotificationSource, ReceivedNotification } from '../../core/ports/notifications.ts'
import { certificateUrl } from './certificates.ts'
import { member, parseJson, present, textIn } from './read.ts'
import { readOssEvent } from './records.ts'
import type { SourceSettings } from './settings.ts'
import type { SourceWorld } from './world.ts'

const WINDOW_MS = 60_000
const PREFIX = 'x-eventbridge-'
/** In the order in which they are signed. */
const SIGNED = [
  `${PREFIX}signature-timestamp`,
  `${PREFIX}hash-method`,
  `${PREFIX}signature-version`,
  `${PREFIX}signature-url`,
  `${PREFIX}signature-token`,
]

/** The URL, LF, each signed header as `name: value` and LF, and the body as it came. */
const eventBridgeStringToSign = (
  url: string,
  { headers, body }: Pick<ReceivedNotification, 'headers' | 'body'>,
): Uint8Array<ArrayBuffer> =>
  concatBytes([
    utf8(`${url}\n${SIGNED.map((name) => `${name}: ${headers.get(name) ?? ''}\n`).join('')}`),
    body,
  ])

/** Undefined unless EventBridge itself serves it. */
export const eventBridgeCertificateUrl = (text: string | undefined): string | undefined =>
  certificateUrl(text, /^[a-z]{2,}(-[a-z0-9]+)+-eventbridge\.oss-accelerate\.aliyuncs\.com$/)

/** Unix time, in seconds or milliseconds. */
function timeOf(text: string | null): number {
  if (!text || !/^\d{10}(\d{3})?$/.test(text)) return Number.NaN
  return text.length === 10 ? Number(text) * 1000 : Number(text)
}

export function eventbridge(
  { token }: SourceSettings<'eventbridge'>,
  { verify, clock }: SourceWorld,
): NotificationSource {
  /** The token is compared first, so that a stranger causes no fetch. */
  async function isVerified(request: ReceivedNotification): Promise<boolean> {
    const { headers, urls } = request
    const given = (name: string) => headers.get(`${PREFIX}${name}`) ?? ''
    if (!equalInConstantTime(given('signature-token'), token)) return false
    const certificate = eventBridgeCertificateUrl(given('signature-url'))
    const age = Math.abs(clock().getTime() - timeOf(given('signature-timestamp')))
    if (!certificate || !(age <= WINDOW_MS)) return false
    if (given('hash-method') !== 'SHA256' || given('signature-version') !== '1.0') return false
    for (const url of urls) {
      const text = eventBridgeStringToSign(url, request)
      if (await verify(certificate, 'SHA-256', given('signature-v2'), text)) return true
    }
    return false
  }

  return {
    name: 'eventbridge',
    async receive(request) {
      if (!(await isVerified(request))) return undefined
      const event = parseJson(request.body)
      const id = textIn(event, 'id')
      if (!id) return []
      return present([await readOssEvent(member(event, 'data'), textIn(event, 'type'), id)])
    },
  }
}
