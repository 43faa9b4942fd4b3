// Sessions: creating, signing parts, status, completing, listing.
import { z } from '@hono/zod-openapi'
import { hasEnded, UPLOAD_METHODS, UPLOAD_STATES } from '../core/upload-session.ts'
import {
  checksum,
  contentType,
  cursor,
  isoDate,
  limit,
  metadata,
  named,
  partNumber,
  plain,
  policyNameSchema,
  sizeBytes,
  subject,
} from './fields.ts'

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

const partSpec = z.strictObject({ partNumber, sizeBytes: z.int().min(1) })

export const presignParts = z
  .strictObject({
    partNumbers: z.array(partNumber).min(1).max(1000).optional(),
    from: partNumber.optional(),
    count: z
      .int()
      .min(1)
      .max(1000)
      .optional()
      .openapi({ description: 'As many as the plan has from there on, and no more' }),
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

const signedPart = named('SignedPart', {
  partNumber,
  method: z.literal('PUT'),
  url: z.string(),
  headers: z.record(z.string(), z.string()),
  sizeBytes: z.int(),
})

export const signedParts = named('SignedParts', { parts: z.array(signedPart), expiresAt: isoDate })

const plan = named('PartPlan', {
  sizeBytes: z.int().nullable(),
  partSizeBytes: z.int(),
  partCount: z.int().nullable(),
  maxPartCount: z.int().optional(),
})

const completedObject = named('CompletedObject', {
  key: z.string(),
  sizeBytes: z.int(),
  etag: z.string(),
  versionId: z.string().optional(),
  checksums: z.record(z.string(), z.string()),
  declared: z.string().optional(),
  headers: z
    .object({
      cacheControl: z.string().optional(),
      contentDisposition: z.string().optional(),
      contentLanguage: z.string().optional(),
      expires: z.string().optional(),
    })
    .optional()
    .openapi({
      description:
        'Of a single PUT, a form or an upload by one’s own SDK: headers that its client set beside the policy, as HEAD shows them',
    }),
})

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

export const completeLink = z.object({ url: z.string(), direct: z.boolean() })

const form = z
  .object({ url: z.string(), fields: z.record(z.string(), z.string()), expiresAt: isoDate })
  .openapi('UploadForm', { description: 'Post it with the file as the last field, called `file`' })

export const createdUpload = sessionView
  .extend({
    parts: z.array(signedPart),
    partsExpireAt: isoDate.optional(),
    form: form.optional(),
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
    form: form.optional(),
    serverTime: isoDate,
  })
  .openapi('UploadStatus')

export const uploadList = named('UploadList', {
  uploads: z.array(sessionView),
  nextCursor: z.string().optional(),
})

export const completeUpload = z
  .strictObject({
    sizeBytes: sizeBytes.optional(),
    checksum: checksum.optional(),
    mode: z.literal('direct').optional(),
  })
  .openapi('CompleteUpload')

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

export const abortedUpload = named('AbortedUpload', { id: z.string(), state: z.literal('aborted') })

export const listUploadsQuery = z
  .strictObject({
    state: z.enum(UPLOAD_STATES).optional(),
    fingerprint: z
      .string()
      .max(255)
      .optional()
      .openapi({ description: 'Finds unfinished uploads only' }),
    subject: z.string().max(255).optional(),
    limit,
    cursor,
  })
  .refine(({ state, fingerprint }) => fingerprint === undefined || !state || !hasEnded(state), {
    path: ['fingerprint'],
    message: 'finds unfinished uploads only: leave it or the state out',
  })

export const statusQuery = z.strictObject({
  parts: z.enum(['true', 'false']).optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(1000),
  cursor: z
    .string()
    .regex(/^\d{1,5}$/)
    .optional(),
})
