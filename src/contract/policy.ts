// A policy as the operator writes it.
import { z } from '@hono/zod-openapi'
import { headerFaultsOfAll, OBJECT_HEADER_RULES } from '../core/object-headers.ts'
import { replacedTemplateFault, templateFault } from '../core/object-key.ts'
import { contentTypePattern, count, headerValue, plain, textWithout } from './fields.ts'
import { processingRules } from './processing.ts'

export const policySchema = z
  .strictObject({
    maxSizeBytes: z.int().min(0),
    contentTypes: z.array(contentTypePattern).max(100),
    keyTemplate: textWithout(512, templateFault).describe(
      'Key below the app’s prefix. {subject} fills a segment alone and is different for every subject; with overwrite "replace" it or {uploadId} is needed',
    ),
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
    autoComplete: z.union([z.boolean(), z.literal('unverified')]),
    delta: z.boolean(),
    readBack: z.boolean(),
    credentials: z.boolean(),
    store: z.string().max(64),
    object: z
      .strictObject({
        acl: z.enum(OBJECT_HEADER_RULES.oss.acls),
        storageClass: headerValue(64),
        serverSideEncryption: headerValue(64),
        serverSideEncryptionKeyId: headerValue(128),
        serverSideDataEncryption: headerValue(64),
        cacheControl: headerValue(256),
        contentDisposition: headerValue(256),
        tags: z.record(plain(128), z.string().max(256)),
        metadata: z.record(z.string().regex(/^[a-z0-9-]{1,64}$/), headerValue(2048)),
      })
      .partial()
      .superRefine((headers, context) => {
        for (const { path, message } of headerFaultsOfAll(headers)) {
          context.addIssue({ code: 'custom', path, message })
        }
      }),
    quota: z
      .strictObject({ openUploads: count, bytes: z.int().min(0), bytesPerDay: z.int().min(0) })
      .partial(),
    processing: processingRules,
    userMessage: plain(500),
  })
  .partial()
  .superRefine(({ keyTemplate, overwrite }, context) => {
    if (keyTemplate === undefined || overwrite !== 'replace') return
    const message = replacedTemplateFault(keyTemplate)
    if (message) context.addIssue({ code: 'custom', path: ['keyTemplate'], message })
  })
  .openapi('Policy')
