// The contract: a zod schema for every request and response body, from which types and OpenAPI follow. Request bodies are
// strict: an unknown field is `invalid-request`.
import { z } from '@hono/zod-openapi'

export * from './contract/apps.ts'
export * from './contract/copies.ts'
export * from './contract/credentials.ts'
export * from './contract/deliveries.ts'
export { policyNameSchema } from './contract/fields.ts'
export * from './contract/policy.ts'
export * from './contract/uploads.ts'

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
