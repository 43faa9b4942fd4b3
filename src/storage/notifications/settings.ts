// The settings of a store's notifications: a row per source, with what proves a sender to us.
import { z } from 'zod'

const MIN_SECRET = 24
const MAX_SOURCES = 16

/** Printable ASCII, because it travels in a header or a URL. */
const secret = z
  .string()
  .regex(/^[\x21-\x7e]*$/, 'must be printable ASCII without spaces')
  .min(MIN_SECRET, `must have at least ${MIN_SECRET} characters`)

const SOURCES = [
  z.strictObject({ source: z.literal('generic'), secret }),
  z.strictObject({
    source: z.literal('minio'),
    /** As MinIO has it: one word, or a scheme and a word. */
    token: z
      .string()
      .regex(/^[\x21-\x7e]+( [\x21-\x7e]+)?$/, 'must be one or two words of printable ASCII')
      .min(MIN_SECRET, `must have at least ${MIN_SECRET} characters`),
  }),
  z.strictObject({ source: z.literal('ceph'), secret }),
  z.strictObject({
    source: z.literal('sns'),
    topicArn: z
      .string()
      .regex(
        /^arn:aws(-cn)?:sns:[a-z]{2,}(-[a-z]+)+-\d:\d{12}:[A-Za-z0-9_-]{1,256}$/,
        'must be like arn:aws:sns:us-east-1:123456789012:topic',
      ),
    /** Whether signature version 1, which uses SHA-1 and is a topic's default, is accepted as well. */
    allowVersion1: z.boolean().default(true),
  }),
  z.strictObject({ source: z.literal('eventbridge'), token: secret }),
  z.strictObject({
    source: z.literal('mns'),
    accountId: z.string().regex(/^\d{5,20}$/, 'must be the number of the account'),
    topic: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9-]{0,255}$/, 'must be the name of a topic'),
  }),
  z.strictObject({ source: z.literal('r2') }),
] as const

/** Two rows of one source are both valid, so that a secret can be rotated. */
export const notificationSettings = z
  .array(z.discriminatedUnion('source', SOURCES))
  .max(MAX_SOURCES, `must have at most ${MAX_SOURCES} sources`)
  .optional()
  .describe(
    'Who may report objects of this bucket: a JSON array such as [{"source":"minio","token":"…"}], see callbacks.md',
  )

export type NotificationSettings = NonNullable<z.infer<typeof notificationSettings>>
type AnySettings = NotificationSettings[number]
export type SourceName = AnySettings['source']

/** The settings of one source. */
export type SourceSettings<Name extends SourceName> = Extract<AnySettings, { source: Name }>
