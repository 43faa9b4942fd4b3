// Deliveries of an endpoint or of an upload, with their attempts.
import { z } from '@hono/zod-openapi'
import { PROCESSING_TARGETS } from '../core/processing.ts'
import { isoDate, named } from './fields.ts'

const attempt = z.object({
  at: isoDate,
  status: z.int().optional(),
  latencyMs: z.int(),
  reason: z.string().optional(),
})

/** The policy's rule behind a delivery to a processing target. */
const processing = z.object({
  rule: z.int(),
  name: z.string().optional(),
  key: z.string(),
  taskId: z.string().optional(),
})

export const deliveryList = named('DeliveryList', {
  deliveries: z.array(
    z.object({
      id: z.string(),
      eventId: z.string(),
      type: z.string(),
      target: z.enum(['webhook', ...PROCESSING_TARGETS]),
      endpointId: z.string().optional(),
      processing: processing.optional(),
      state: z.enum(['pending', 'running', 'delivered', 'failed']),
      nextAttemptAt: isoDate.optional(),
      attempts: z.array(attempt),
    }),
  ),
  nextCursor: z.string().optional(),
})

export const replayed = z.object({ id: z.string() }).openapi('Replayed')
