// S3 events through SNS, signed by AWS with a certificate ("Verifying the signatures of Amazon SNS messages"). Any customer of AWS
// can have SNS sign a message, so that only the configured topic counts.
import { utf8 } from '../../bytes/encoding.ts'
import type { NotificationSource } from '../../core/ports/notifications.ts'
import { Problem } from '../../core/problem.ts'
import { exchange } from '../../net/exchange.ts'
import { certificateUrl, type RsaHash } from './certificates.ts'
import { parseJson, textIn } from './read.ts'
import { FORM_ENCODED, readRecords } from './records.ts'
import type { SourceSettings } from './settings.ts'
import type { SourceWorld } from './world.ts'

const HASHES: Record<string, RsaHash> = { 1: 'SHA-1', 2: 'SHA-256' }
/** SNS repeats a message for up to an hour. */
const TOLERANCE_MS = 3600_000
const CONFIRM_LIMITS = { timeoutMs: 5_000, maxBytes: 16 * 1024 }

const CONFIRMATION = [
  'Message',
  'MessageId',
  'SubscribeURL',
  'Timestamp',
  'Token',
  'TopicArn',
  'Type',
]
const SIGNED: Record<string, readonly string[]> = {
  Notification: ['Message', 'MessageId', 'Subject', 'Timestamp', 'TopicArn', 'Type'],
  SubscriptionConfirmation: CONFIRMATION,
  UnsubscribeConfirmation: CONFIRMATION,
}

/** Each field that is present, in this order: its name, LF, its value, LF. Undefined for an unknown type. */
export function snsStringToSign(message: unknown): string | undefined {
  const type = textIn(message, 'Type') ?? ''
  if (!Object.hasOwn(SIGNED, type)) return undefined
  return SIGNED[type]!.map((name) => {
    const value = textIn(message, name)
    return value === undefined ? '' : `${name}\n${value}\n`
  }).join('')
}

/**
 * The label is a region, because a bucket's host could match a looser pattern, and its owner would serve a certificate of their
 * own. Undefined for any other URL.
 */
export const snsCertificateUrl = (text: string | undefined): string | undefined =>
  /\.pem$/.test(text ?? '')
    ? certificateUrl(text, /^sns\.[a-z]{2,}(-[a-z]+)+-\d\.amazonaws\.com(\.cn)?$/)
    : undefined

/** The host of the topic's own region. */
function hostOf(topicArn: string): string {
  const [, partition, , region] = topicArn.split(':')
  return `sns.${region}.amazonaws.com${partition === 'aws-cn' ? '.cn' : ''}`
}

export function sns(
  { topicArn, allowVersion1 }: SourceSettings<'sns'>,
  { verify, fetch: fetchFrom, clock }: SourceWorld,
): NotificationSource {
  const host = hostOf(topicArn)

  /** Everything that costs nothing is checked before the certificate is fetched. */
  async function isVerified(message: unknown): Promise<boolean> {
    const version = textIn(message, 'SignatureVersion') ?? ''
    const url = snsCertificateUrl(textIn(message, 'SigningCertURL'))
    const text = snsStringToSign(message)
    const sentAt = Date.parse(textIn(message, 'Timestamp') ?? '')
    if (textIn(message, 'TopicArn') !== topicArn || !url || !text) return false
    if (new URL(url).hostname !== host || !Object.hasOwn(HASHES, version)) return false
    if (version === '1' && !allowVersion1) return false
    if (!(Math.abs(clock().getTime() - sentAt) <= TOLERANCE_MS)) return false
    return verify(url, HASHES[version]!, textIn(message, 'Signature') ?? '', utf8(text))
  }

  /** By a URL of our own making. A SubscribeURL is never called. */
  async function confirm(token: string): Promise<void> {
    const query = new URLSearchParams({
      Action: 'ConfirmSubscription',
      TopicArn: topicArn,
      Token: token,
    })
    const answer = await exchange(fetchFrom, `https://${host}/?${query}`, {}, CONFIRM_LIMITS).catch(
      () => undefined,
    )
    if (answer?.status === 200) return
    throw new Problem('storage-unavailable', {
      detail: 'The subscription could not be confirmed. Request the confirmation again.',
    })
  }

  return {
    name: 'sns',
    async receive({ body }) {
      const message = parseJson(body)
      if (!(await isVerified(message))) return undefined
      const [type, token] = [textIn(message, 'Type'), textIn(message, 'Token')]
      if (type === 'SubscriptionConfirmation' && token) await confirm(token)
      if (type !== 'Notification') return []
      const hints = await readRecords(parseJson(textIn(message, 'Message') ?? ''), FORM_ENCODED)
      const id = textIn(message, 'MessageId') ?? ''
      return hints.map((hint) => ({ ...hint, id: id.slice(0, 100) || hint.id }))
    },
  }
}
