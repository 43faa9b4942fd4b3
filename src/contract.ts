// The contract: a zod schema for every request and response body. Types are inferred; OpenAPI is generated from it.
// Objects are strict: an unknown field is `invalid-request`.
import { z } from '@hono/zod-openapi'
import { isWellFormed, utf8 } from './core/bytes.ts'
import { WEBHOOK_EVENT_TYPES } from './core/event.ts'
import { templateFault } from './core/object-key.ts'
import { UPLOAD_METHODS, UPLOAD_STATES } from './core/upload-session.ts'

/** Bytes that all values of a `metadata` object may have together with their names. */
const MAX_METADATA_BYTES = 2048

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this refuses.
const CONTROLS = /[\u0000-\u001f\u007f-\u009f]/

const plain = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .refine((text) => !CONTROLS.test(text), 'must not have control characters')
    .refine(isWellFormed, 'must be well-formed Unicode')

/** A header value: Latin-1 without controls, so that every HTTP client can send it as it was signed. */
const headerValue = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .regex(/^[\u0020-\u007e]+$/, 'must be printable ASCII')

const count = z.int().min(1).max(2_000_000_000)
const sizeBytes = z.int().min(0).openapi({ description: 'Bytes', example: 73_400_320 })
const partNumber = z.int().min(1).max(10_000)
export const policyNameSchema = z.string().regex(/^[a-z0-9][a-z0-9_-]{0,63}$/)
const subject = plain(255)
const isoDate = z.iso.datetime()

const CHECKSUM = /^(crc64:\d{1,20}|(crc32|crc32c|crc64nvme|sha256|md5):[A-Za-z0-9+/]+={0,2})$/
const checksum = z
  .string()
  .max(200)
  .regex(CHECKSUM, 'must be crc64:<decimal> or crc32|crc32c|crc64nvme|sha256|md5:<base64>')

const contentType = headerValue(255).regex(
  /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+(\s*;.*)?$/,
  'must be a media type such as image/png',
)

const metadata = z
  .record(plain(128), z.string().max(MAX_METADATA_BYTES).refine(isWellFormed, 'must be Unicode'))
  .refine(
    (entries) => utf8(JSON.stringify(entries)).length <= MAX_METADATA_BYTES,
    'must be at most 2 KB',
  )

export const policySchema = z
  .strictObject({
    maxSizeBytes: z.int().min(0),
    contentTypes: z.array(z.string().regex(/^[\w!#$&^.+*-]+\/[\w!#$&^.+*-]+$/)).max(100),
    keyTemplate: z
      .string()
      .max(512)
      .superRefine((template, context) => {
        const fault = templateFault(template)
        if (fault) context.addIssue({ code: 'custom', message: fault })
      }),
    minPartSizeBytes: z.int().min(1),
    partSizeBytes: z.int().min(1),
    singleMaxBytes: z.int().min(0),
    idleSeconds: z
      .int()
      .min(60)
      .max(30 * 86_400),
    maxSeconds: z
      .int()
      .min(60)
      .max(30 * 86_400),
    urlSeconds: z.int().min(30).max(43_200),
    overwrite: z.enum(['never', 'replace']),
    completion: z.enum(['client', 'backend']),
    direct: z.boolean(),
    autoComplete: z.boolean(),
    delta: z.boolean(),
    readBack: z.boolean(),
    credentials: z.boolean(),
    store: z.string().max(64),
    object: z
      .strictObject({
        acl: z.enum(['private', 'public-read', 'default']),
        storageClass: headerValue(64),
        serverSideEncryption: headerValue(64),
        cacheControl: headerValue(256),
        contentDisposition: headerValue(256),
        tags: z.record(plain(128), z.string().max(256)),
        metadata: z.record(z.string().regex(/^[a-z0-9-]{1,64}$/), headerValue(1024)),
      })
      .partial(),
    quota: z
      .strictObject({ openUploads: count, bytes: z.int().min(0), bytesPerDay: z.int().min(0) })
      .partial(),
    processing: z.array(z.unknown()).max(0, 'processing is not offered yet'),
    userMessage: plain(500),
  })
  .partial()
  .openapi('Policy')

export const createApp = z
  .strictObject({
    name: plain(100),
    policy: policySchema.nullable().optional(),
    keyPrefix: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*(\/[A-Za-z0-9][A-Za-z0-9._-]*)*$/)
      .max(128)
      .optional(),
    allowedOrigins: z.array(z.string().max(255)).max(50).optional(),
  })
  .openapi('CreateApp')

export const createdApp = z
  .object({ id: z.string(), name: z.string(), keyPrefix: z.string(), apiKey: z.string() })
  .openapi('App')

export const appList = z
  .object({
    apps: z.array(
      z.object({
        id: z.string(),
        name: z.string(),
        keyPrefix: z.string(),
        allowedOrigins: z.array(z.string()),
      }),
    ),
    nextCursor: z.string().optional(),
  })
  .openapi('AppList')

export const storedPolicy = z
  .object({ name: z.string(), policy: policySchema })
  .openapi('NamedPolicy')

const algorithm = z.enum([
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'HS256',
  'HS384',
  'HS512',
])

export const createIssuer = z
  .strictObject({
    issuer: plain(512),
    audience: plain(512),
    jwksUrl: z.string().max(2048).optional(),
    publicKeys: z.array(z.record(z.string(), z.unknown())).min(1).max(20).optional(),
    secret: z.string().min(32, 'must have at least 32 characters').max(1024).optional(),
    algorithms: z.array(algorithm).min(1).max(13),
    policies: z.array(policyNameSchema).min(1).max(100).default(['default']),
    subjectClaim: plain(64).default('sub'),
    policyClaim: plain(64).optional(),
  })
  .refine(
    ({ jwksUrl, publicKeys, secret }) =>
      [jwksUrl, publicKeys, secret].filter((key) => key !== undefined).length === 1,
    'needs exactly one of jwksUrl, publicKeys and secret',
  )
  .refine(
    ({ secret, algorithms }) =>
      algorithms.every((name) => name.startsWith('HS') === (secret !== undefined)),
    { path: ['algorithms'], message: 'HS* go with a secret, all others with public keys' },
  )
  .openapi('CreateIssuer')

export const createdIssuer = z
  .object({
    id: z.string(),
    issuer: z.string(),
    audience: z.string(),
    algorithms: z.array(z.string()),
    policies: z.array(z.string()),
    subjectClaim: z.string(),
    policyClaim: z.string().optional(),
  })
  .openapi('Issuer')

export const createEndpoint = z
  .strictObject({
    url: z.string().min(1).max(2048),
    events: z.array(z.enum(WEBHOOK_EVENT_TYPES)).min(1).max(50).optional(),
  })
  .openapi('CreateWebhookEndpoint')

export const createdEndpoint = z
  .object({
    id: z.string(),
    url: z.string(),
    events: z.array(z.string()).optional(),
    secret: z.string().openapi({ example: 'whsec_…' }),
  })
  .openapi('WebhookEndpoint')

const attempt = z.object({
  at: isoDate,
  status: z.int().optional(),
  latencyMs: z.int(),
  reason: z.string().optional(),
})

export const deliveryList = z
  .object({
    deliveries: z.array(
      z.object({
        id: z.string(),
        eventId: z.string(),
        type: z.string(),
        state: z.enum(['pending', 'delivered', 'failed']),
        nextAttemptAt: isoDate.optional(),
        attempts: z.array(attempt),
      }),
    ),
    nextCursor: z.string().optional(),
  })
  .openapi('DeliveryList')

export const replayed = z.object({ id: z.string() }).openapi('Replayed')

export const createGrant = z
  .strictObject({
    subject,
    policy: policyNameSchema.optional(),
    use: z.enum(['api', 'uppy', 'credentials']).default('api'),
    ttlSeconds: z.int().min(1).max(86_400).default(900),
    maxUploads: count.optional(),
    maxBytes: z.int().min(0).optional(),
    completion: z.enum(['client', 'backend']).optional(),
  })
  .openapi('CreateGrant')

export const createdGrant = z
  .object({ id: z.string(), grant: z.string(), expiresAt: isoDate })
  .openapi('Grant')

export const revokedGrant = z
  .object({ id: z.string(), revoked: z.literal(true) })
  .openapi('RevokedGrant')

export const createUpload = z
  .strictObject({
    filename: plain(255),
    sizeBytes: sizeBytes.optional(),
    contentType: contentType.optional(),
    partSizeBytes: z.int().min(1).optional(),
    fingerprint: plain(255).optional(),
    checksum: checksum.optional(),
    metadata: metadata.optional(),
    resume: z.boolean().optional(),
    policy: policyNameSchema.optional(),
    method: z.literal('form').optional(),
    subject: subject
      .optional()
      .openapi({ description: 'With an api key only: whose upload it is' }),
  })
  .refine(({ resume, fingerprint }) => !resume || fingerprint !== undefined, {
    path: ['fingerprint'],
    message: 'is needed to resume',
  })
  .openapi('CreateUpload')
export type CreateUploadBody = z.infer<typeof createUpload>

const partSpec = z.strictObject({ partNumber, sizeBytes: z.int().min(1) })

export const presignParts = z
  .strictObject({
    partNumbers: z.array(partNumber).min(1).max(1000).optional(),
    from: partNumber.optional(),
    count: z.int().min(1).max(1000).optional(),
    last: partSpec.optional(),
    ttlSeconds: z.int().min(1).max(43_200).optional(),
    checksums: z.record(z.string().regex(/^[1-9]\d{0,4}$/), checksum).optional(),
  })
  .refine(
    ({ partNumbers, from, count: wanted }) =>
      partNumbers
        ? from === undefined && wanted === undefined
        : from !== undefined && wanted !== undefined,
    'needs either partNumbers, or from and count',
  )
  .openapi('PresignParts')
export type PresignPartsBody = z.infer<typeof presignParts>

const signedPart = z
  .object({
    partNumber,
    method: z.literal('PUT'),
    url: z.string(),
    headers: z.record(z.string(), z.string()),
    sizeBytes: z.int(),
  })
  .openapi('SignedPart')

export const signedParts = z
  .object({ parts: z.array(signedPart), expiresAt: isoDate })
  .openapi('SignedParts')

const plan = z
  .object({
    sizeBytes: z.int().nullable(),
    partSizeBytes: z.int(),
    partCount: z.int().nullable(),
    maxPartCount: z.int().optional(),
  })
  .openapi('PartPlan')

const completedObject = z
  .object({
    key: z.string(),
    sizeBytes: z.int(),
    etag: z.string(),
    versionId: z.string().optional(),
    checksums: z.record(z.string(), z.string()),
    declared: z.string().optional(),
  })
  .openapi('CompletedObject')

const sessionView = z.object({
  id: z.string(),
  state: z.enum(UPLOAD_STATES),
  method: z.enum(UPLOAD_METHODS),
  key: z.string(),
  filename: z.string(),
  contentType: z.string(),
  subject: z.string(),
  policy: z.string(),
  plan,
  fingerprint: z.string().optional(),
  checksum: z.string().optional(),
  metadata: z.record(z.string(), z.string()).optional(),
  object: completedObject.optional(),
  failure: z.string().optional(),
  createdAt: isoDate,
  expiresAt: isoDate,
  endedAt: isoDate.optional(),
})

const completeLink = z.object({ url: z.string(), direct: z.boolean() })

export const createdUpload = sessionView
  .extend({
    parts: z.array(signedPart),
    partsExpireAt: isoDate.optional(),
    uploadToken: z.string(),
    completionToken: z.string().optional(),
    complete: completeLink,
    serverTime: isoDate,
  })
  .openapi('CreatedUpload')

export const uploadStatus = sessionView
  .extend({
    storedParts: z.object({ count: z.int(), bytes: z.int() }),
    missing: z.array(z.tuple([z.int(), z.int().nullable()])),
    parts: z
      .array(
        z.object({
          partNumber,
          sizeBytes: z.int(),
          etag: z.string(),
          crc64: z.string().optional(),
        }),
      )
      .optional(),
    nextCursor: z.string().optional(),
    uploadToken: z.string(),
    completionToken: z.string().optional(),
    complete: completeLink,
    healed: z.boolean().optional(),
    serverTime: isoDate,
  })
  .openapi('UploadStatus')

export const uploadList = z
  .object({ uploads: z.array(sessionView), nextCursor: z.string().optional() })
  .openapi('UploadList')

export const completeUpload = z
  .strictObject({
    sizeBytes: sizeBytes.optional(),
    checksum: checksum.optional(),
    mode: z.literal('direct').optional(),
  })
  .openapi('CompleteUpload')
export type CompleteUploadBody = z.infer<typeof completeUpload>

export const completedUpload = z
  .union([
    sessionView,
    z.object({ id: z.string(), state: z.literal('completing') }),
    z.object({
      direct: z.object({
        method: z.literal('POST'),
        url: z.string(),
        headers: z.record(z.string(), z.string()),
        expiresAt: isoDate,
      }),
    }),
  ])
  .openapi('CompletionResult')

export const abortedUpload = z
  .object({ id: z.string(), state: z.literal('aborted') })
  .openapi('AbortedUpload')

const limit = z.coerce.number().int().min(1).max(100).default(50)
const cursor = z.string().max(200).optional()

export const listUploadsQuery = z.strictObject({
  state: z.enum(UPLOAD_STATES).optional(),
  fingerprint: z.string().max(255).optional(),
  subject: z.string().max(255).optional(),
  limit,
  cursor,
})
export const statusQuery = z.strictObject({
  parts: z.enum(['true', 'false']).optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(1000),
  cursor: z
    .string()
    .regex(/^\d{1,5}$/)
    .optional(),
})
export const pageQuery = z.strictObject({ limit, cursor })

export const problem = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    code: z.string(),
    detail: z.string(),
    instance: z.string(),
  })
  .loose()
  .openapi('Problem')
