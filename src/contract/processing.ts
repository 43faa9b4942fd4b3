// What a policy has made of an upload once it is complete: rules in order, each with its conditions and one target.
import { z } from '@hono/zod-openapi'
import {
  MAX_PROCESSING_RULES,
  operationFault,
  type ProcessingTarget,
  savedTemplateFault,
} from '../core/processing.ts'
import { contentTypePattern, plain } from './fields.ts'

const MAX_OPERATION = 1024
const MAX_WAIT_SECONDS = 7 * 86_400

const judged = (max: number, faultOf: (text: string) => string | undefined) =>
  z
    .string()
    .max(max)
    .superRefine((text, context) => {
      const fault = faultOf(text)
      if (fault) context.addIssue({ code: 'custom', message: fault })
    })

const keyTemplate = judged(512, savedTemplateFault)
const maxSeconds = z.int().min(60).max(MAX_WAIT_SECONDS).optional()
const operation = (type: 'oss-image' | 'oss-async') =>
  judged(MAX_OPERATION, (text) => operationFault(type, text))
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
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9_-]{0,63}$/)
    .optional(),
  when: z
    .strictObject({
      contentTypes: z.array(contentTypePattern).min(1).max(100),
      keyPrefix: plain(512),
    })
    .partial()
    .optional(),
  target,
})

/** The first that repeats an earlier one is named. */
function repeated(values: ReadonlyArray<string | undefined>): number {
  return values.findIndex((value, index) => value !== undefined && values.indexOf(value) < index)
}

export const processingRules = z
  .array(rule)
  .max(MAX_PROCESSING_RULES)
  .superRefine((rules, context) => {
    const name = repeated(rules.map((one) => one.name))
    const key = repeated(rules.map((one) => one.target.keyTemplate))
    const issue = (path: Array<string | number>, message: string) =>
      context.addIssue({ code: 'custom', path, message })
    if (name >= 0) issue([name, 'name'], 'is the name of another rule')
    if (key >= 0) issue([key, 'target', 'keyTemplate'], 'is where another rule saves its result')
  })
