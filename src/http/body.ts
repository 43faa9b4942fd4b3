// Reads and validates bodies, paths and queries. Bodies are bounded while they arrive, and strictly JSON. Text that a database
// cannot store is refused anywhere.
import type { z } from '@hono/zod-openapi'
import { concatBytes, fromUtf8, isStorable } from '../bytes/encoding.ts'
import { Problem } from '../core/problem.ts'
import type { Request } from './environment.ts'

const MAX_JSON_BYTES = 128 * 1024
/** More than any body needs, and few enough for recursion. */
const MAX_JSON_DEPTH = 32

const tooLarge = (limit: number) =>
  new Problem('payload-too-large', { detail: `A request body has at most ${limit} bytes.` })

/**
 * The raw bytes. Throws `payload-too-large` as soon as the limit is passed, chunked or not. The rest is not cancelled, because
 * on Node that would reset the connection before the client has read the answer (node/unread-body).
 */
export async function readBody(c: Request, limit = MAX_JSON_BYTES): Promise<Uint8Array> {
  const { body, headers, signal } = c.req.raw
  const declared = headers.get('content-length')
  if (Number(declared) > limit) throw tooLarge(limit)
  if (!body) return new Uint8Array()
  const chunks: Uint8Array[] = []
  let size = 0
  const reader = body.getReader()
  try {
    for (;;) {
      const { done, value } = await reader.read().catch(() => throwCut(c))
      if (done) break
      size += value.length
      if (size > limit) throw tooLarge(limit)
      chunks.push(value)
    }
  } finally {
    reader.releaseLock()
  }
  // If the client disconnected before the body was read, the stream ends without an error. A partial body must not pass.
  if (declared === null ? signal.aborted : size < Number(declared)) throwCut(c)
  return concatBytes(chunks)
}

/** The client disconnected while it sent. Logged at debug, because it is no fault of ours. */
function throwCut(c: Request): never {
  c.get('services').log('debug', 'a request was cut', { requestId: c.get('requestId') })
  throw new Problem('invalid-request', { detail: 'The body broke off. Send the request again.' })
}

interface Issue {
  path: PropertyKey[]
  message: string
}

function invalid(issues: readonly Issue[]): Problem {
  const errors = issues.slice(0, 20).map(({ path, message }) => ({
    pointer: path
      .map((step) => `/${String(step).replaceAll('~', '~0').replaceAll('/', '~1')}`)
      .join(''),
    detail: message,
  }))
  const first = errors[0]
  return new Problem('invalid-request', {
    detail: first
      ? `${first.pointer ? `${first.pointer.slice(1)}: ` : ''}${first.detail}`
      : 'The request is not valid.',
    members: { errors },
  })
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(fromUtf8(bytes))
  } catch {
    throw new Problem('invalid-request', { detail: 'The body is not valid JSON in UTF-8.' })
  }
}

function* unstorable(value: unknown, path: PropertyKey[] = []): Generator<Issue> {
  const message = 'must not contain U+0000 or a lone surrogate'
  if (typeof value === 'string' && !isStorable(value)) yield { path, message }
  if (typeof value !== 'object' || value === null) return
  if (path.length === MAX_JSON_DEPTH) return yield { path, message: 'is nested too deeply' }
  for (const [name, inner] of Object.entries(value)) {
    const at = [...path, name]
    if (!isStorable(name)) yield { path: at, message }
    yield* unstorable(inner, at)
  }
}

/** Throws `invalid-request` if PostgreSQL cannot store a text or a name in the value, at any depth. */
export function checkStorable<Value>(value: Value): Value {
  const issues = [...unstorable(value)]
  if (issues.length) throw invalid(issues)
  return value
}

/** The body, validated. With `optional`, an empty body counts as `{}`. */
export async function readJson<Schema extends z.ZodType>(
  c: Request,
  schema: Schema,
  { optional = false } = {},
): Promise<z.infer<Schema>> {
  const bytes = await readBody(c)
  if (bytes.length === 0 && optional) return validate(schema, {})
  const type = c.req.header('content-type')?.split(';')[0]?.trim().toLowerCase()
  if (type !== 'application/json') {
    throw new Problem('unsupported-media-type', {
      detail: 'Send the body as JSON with Content-Type: application/json.',
    })
  }
  return validate(schema, checkStorable(parseJson(bytes)))
}

export function validate<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
): z.infer<Schema> {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  throw invalid(parsed.error.issues)
}
