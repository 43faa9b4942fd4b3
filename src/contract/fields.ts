// Fields that several bodies share, with their limits. http/body refuses text that no database can store before these run.
import { z } from '@hono/zod-openapi'
import { utf8 } from '../bytes/encoding.ts'

/** The limit for a `metadata` object as JSON. */
const MAX_METADATA_BYTES = 2048

// biome-ignore lint/suspicious/noControlCharactersInRegex: this pattern refuses control characters.
const CONTROLS = /[\u0000-\u001f\u007f-\u009f]/

/** The schema of an answer, under its name in the OpenAPI document. */
export const named = <Shape extends z.ZodRawShape>(name: string, shape: Shape) =>
  z.object(shape).openapi(name)

export const plain = (max: number, min = 1) =>
  z
    .string()
    .min(min)
    .max(max)
    .refine((text) => !CONTROLS.test(text), 'must not have control characters')

export const textWithout = (max: number, faultOf: (text: string) => string | undefined) =>
  z
    .string()
    .max(max)
    .superRefine((text, context) => {
      const fault = faultOf(text)
      if (fault) context.addIssue({ code: 'custom', message: fault })
    })

/** A header value in printable ASCII, so that every HTTP client can send it as it was signed. */
export const headerValue = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .regex(/^[\u0020-\u007e]+$/, 'must be printable ASCII')

export const count = z.int().min(1).max(2_000_000_000)
export const sizeBytes = z.int().min(0).openapi({ description: 'Bytes', example: 73_400_320 })
export const partNumber = z.int().min(1).max(10_000)
export const policyNameSchema = z.string().regex(/^[a-z0-9][a-z0-9_-]{0,63}$/)
export const subject = plain(255)
export const isoDate = z.iso.datetime()

const CHECKSUM = /^(crc64:\d{1,20}|(crc32|crc32c|crc64nvme|sha256|md5):[A-Za-z0-9+/]+={0,2})$/
export const checksum = z
  .string()
  .max(200)
  .regex(CHECKSUM, 'must be crc64:<decimal> or crc32|crc32c|crc64nvme|sha256|md5:<base64>')

export const contentType = headerValue(255).regex(
  /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+(\s*;.*)?$/,
  'must be a media type such as image/png',
)

/** One type, or a whole family such as `image/*`. */
export const contentTypePattern = z.string().regex(/^[\w!#$&^.+*-]+\/[\w!#$&^.+*-]+$/)

export const metadata = z
  .record(plain(128), z.string().max(MAX_METADATA_BYTES))
  .refine(
    (entries) => utf8(JSON.stringify(entries)).length <= MAX_METADATA_BYTES,
    'must be at most 2 KB',
  )

export const limit = z.coerce.number().int().min(1).max(100).default(50)
export const cursor = z.string().max(200).optional()
