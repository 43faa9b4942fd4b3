// The settings of a store: those that every dialect has, and a row per dialect for its own. Each is written once: the STORE_
// variables, the fields of STORES and their documentation follow from it.
import { z } from 'zod'
import { notificationSettings } from './notifications/settings.ts'
import { ossSettings } from './oss/settings.ts'
import { s3Faults, s3Settings } from './s3/settings.ts'

const shared = {
  name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,63}$/, 'must be of a-z, 0-9 and -'),
  region: z
    .string()
    .regex(/^[a-z0-9-]+$/, 'must be like cn-hangzhou')
    .describe('Region, with or without oss-'),
  bucket: z
    .string()
    .regex(
      /^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/,
      'must be the name of a bucket: 3 to 63 of a-z, 0-9 and -',
    )
    .describe('Bucket'),
  addressing: z
    .enum(['virtual', 'path', 'cname'])
    .optional()
    .describe(
      'Bucket in the host (virtual), in the path, or the host is the bucket’s own (cname); default as the endpoint’s form tells',
    ),
  accessKeyId: z.string().min(1).describe('Access key id'),
  secretAccessKey: z.string().min(1).describe('Secret access key'),
  sessionToken: z.string().optional().describe('Security token of temporary credentials'),
  credentialsExpireAt: z.iso
    .datetime('must be a time in UTC such as 2026-01-31T12:00:00Z')
    .optional()
    .describe('When temporary credentials end (ISO 8601, UTC): no URL outlives them'),
  bindLength: z
    .boolean()
    .default(true)
    .describe('Sign the exact Content-Length of parts; default true'),
  exclusive: z
    .boolean()
    .optional()
    .describe(
      'Nobody else uploads below the apps’ prefixes: the sweep aborts unknown uploads there after 7 days; default false',
    ),
  cleanupDays: z
    .int()
    .min(1)
    .optional()
    .describe(
      'Days after which the bucket itself aborts unfinished uploads: no session lives longer; default none',
    ),
  notifications: notificationSettings,
}

const withShared = <Name extends string, Own extends z.ZodRawShape>(name: Name, own: Own) =>
  z.strictObject({ dialect: z.literal(name), ...shared, ...own })

const DIALECTS = {
  oss: withShared('oss', ossSettings),
  s3: withShared('s3', s3Settings).superRefine((settings, context) => {
    for (const { setting, message } of s3Faults(settings)) {
      context.addIssue({ code: 'custom', path: [setting], message })
    }
  }),
}

export type StoreConfig = z.infer<(typeof DIALECTS)[keyof typeof DIALECTS]>

const isDialect = (name: unknown): name is keyof typeof DIALECTS =>
  typeof name === 'string' && Object.hasOwn(DIALECTS, name)

/** Undefined for an unknown dialect. */
export const schemaOf = (dialect: unknown): z.ZodType<StoreConfig> | undefined =>
  isDialect(dialect) ? DIALECTS[dialect] : undefined

const shapes: Array<Record<string, z.ZodType>> = Object.values(DIALECTS).map(({ shape }) => shape)

/** What each dialect says of a setting, once if they agree. */
const describe = (setting: string): string => {
  const texts = Object.entries<{ shape: Record<string, z.ZodType> }>(DIALECTS).flatMap(
    ([dialect, { shape }]) => {
      const text = shape[setting]?.description
      return text === undefined ? [] : [[dialect, text] as const]
    },
  )
  const [first] = texts
  if (texts.every(([, text]) => text === first?.[1])) return first?.[1] ?? ''
  return texts.map(([dialect, text]) => `${dialect}: ${text}`).join('. ')
}

/** While the dialect is unknown, a setting is checked as the first dialect that has it would. */
const forAny = (setting: string): z.ZodType =>
  shapes.find((shape) => shape[setting])![setting]!.describe(describe(setting))

/** All settings of all dialects: to name the variables, and to find the faults of a store whose dialect is unknown. */
export const anyDialect = z.object({
  ...Object.fromEntries(
    Object.keys(Object.assign({}, ...shapes)).map((setting) => [setting, forAny(setting)]),
  ),
  dialect: z
    .enum(Object.keys(DIALECTS))
    .describe('Dialect of the store "default"; absent: embedded'),
})
