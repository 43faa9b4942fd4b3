// Temporary credentials, in our format and in the one of the mobile SDKs.
import { z } from '@hono/zod-openapi'
import {
  contentType,
  isoDate,
  named,
  plain,
  policyNameSchema,
  sizeBytes,
  subject,
} from './fields.ts'
import { completeLink } from './uploads.ts'

export const createCredentials = z
  .strictObject({
    filename: plain(255).optional(),
    sizeBytes: sizeBytes.optional(),
    contentType: contentType.optional(),
    uploadId: z.string().max(64).optional().openapi({ description: 'Fresh ones for this session' }),
    prefix: plain(512).optional().openapi({ description: 'With an api key only, below the app’s' }),
    policy: policyNameSchema.optional(),
    subject: subject.optional(),
  })
  .refine(
    ({ filename, prefix, uploadId }) =>
      [filename, prefix, uploadId].filter((field) => field !== undefined).length === 1,
    'needs exactly one of filename, uploadId and prefix',
  )
  .openapi('CreateCredentials')

export const createdCredentials = named('Credentials', {
  uploadId: z.string().optional(),
  accessKeyId: z.string(),
  secretAccessKey: z.string(),
  sessionToken: z.string(),
  expiresAt: isoDate,
  endpoint: z.string(),
  region: z.string(),
  bucket: z.string(),
  key: z.string().optional(),
  prefix: z.string().optional(),
  uploadToken: z.string().optional(),
  completionToken: z.string().optional(),
  complete: completeLink.optional(),
})

export const mobileCredentials = named('MobileCredentials', {
  StatusCode: z.int(),
  AccessKeyId: z.string().optional(),
  AccessKeySecret: z.string().optional(),
  SecurityToken: z.string().optional(),
  Expiration: z.string().optional(),
  ErrorCode: z.string().optional(),
  ErrorMessage: z.string().optional(),
})
