// A policy's processing rules: each has conditions on a completed upload, and one target.
import { z } from '@hono/zod-openapi'
import {
  MAX_PROCESSING_RULES,
  operationFault,
  overlap,
  type ProcessingTarget,
  savedTemplateFault,
} from '../core/processing.ts'
import { contentTypePattern, plain, policyNameSchema, textWithout } from './fields.ts'

const MAX_OPERATION = 1024
const MAX_WAIT_SECONDS = 7 * 86_400

const keyTemplate = textWithout(512, savedTemplateFault)
const maxSeconds = z.int().min(60).max(MAX_WAIT_SECONDS).optional()
const operation = (type: 'oss-image' | 'oss-async') =>
  textWithout(MAX_OPERATION, (text) => operationFault(type, text))
const id = z.string().regex(/^[\w-]{1,64}$/)

const target = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('oss-image'),
    operation: operation('oss-image').openapi({ example: 'image/resize,w_100/format,webp' }),
    keyTemplate,
  }),
  z.strictObject({
    type: z.literal('oss-async'),
    operation: operation('oss-async').openapi({ example: 'video/convert,f_mp4,vcodec_h264' }),
    keyTemplate,
    maxSeconds,
  }),
  z.strictObject({
    type: z.literal('media'),
    pipelineId: id,
    templateId: id,
    keyTemplate,
    maxSeconds,
  }),
]) satisfies z.ZodType<ProcessingTarget>

const rule = z.strictObject({
  name: policyNameSchema.optional(),
  when: z
    .strictObject({
      contentTypes: z.array(contentTypePattern).min(1).max(100),
      keyPrefix: plain(512),
    })
    .partial()
    .optional(),
  target,
})

/** Names are unique. Two rules that can match one upload must not save under the same template. */
export const processingRules = z
  .array(rule)
  .max(MAX_PROCESSING_RULES)
  .superRefine((rules, context) => {
    for (const [index, one] of rules.entries()) {
      const issue = (path: string[], message: string) =>
        context.addIssue({ code: 'custom', path: [index, ...path], message })
      const earlier = rules.slice(0, index)
      if (one.name !== undefined && earlier.some(({ name }) => name === one.name)) {
        issue(['name'], 'is the name of another rule')
      }
      const { keyTemplate } = one.target
      if (
        earlier.some((other) => other.target.keyTemplate === keyTemplate && overlap(one, other))
      ) {
        issue(['target', 'keyTemplate'], 'is where another rule for the same uploads saves')
      }
    }
  })
