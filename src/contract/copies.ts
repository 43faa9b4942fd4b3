// Copying parts from an earlier upload of the same owner.
import { z } from '@hono/zod-openapi'
import { named, partNumber } from './fields.ts'

const MAX_COPIES = 100

export const copyParts = z
  .strictObject({
    source: z.string().regex(/^upl_[0-9a-f-]{1,64}$/, 'must be the id of an upload'),
    parts: z
      .array(z.tuple([partNumber, partNumber]))
      .min(1)
      .max(MAX_COPIES)
      .refine(
        (pairs) => new Set(pairs.map(([, number]) => number)).size === pairs.length,
        'names a part number of this upload twice',
      )
      .openapi({ description: 'Pairs of the source’s part number and this upload’s' }),
  })
  .openapi('CopyParts')

export const copiedParts = named('CopiedParts', {
  copied: z.array(partNumber),
  storedParts: z.object({ count: z.int(), bytes: z.int() }),
})
