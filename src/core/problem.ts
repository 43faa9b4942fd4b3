// Problem: an error that we answer with (RFC 9457), and the catalogue of every code. Codes are permanent, because clients
// branch on them. Any code may throw a Problem; only http/problem.ts renders it.

export const PROBLEMS = {
  'invalid-request': { status: 400, title: 'The request is not valid' },
  unauthenticated: { status: 401, title: 'A valid credential is needed' },
  forbidden: { status: 403, title: 'This credential does not allow it' },
  'policy-not-found': { status: 403, title: 'No such policy' },
  'content-type-not-allowed': { status: 403, title: 'The policy does not allow this content type' },
  'grant-exhausted': { status: 403, title: 'The grant is used up' },
  'grant-revoked': { status: 403, title: 'The grant was revoked' },
  'callback-not-verified': { status: 403, title: 'The callback could not be verified' },
  'completion-token-invalid': { status: 403, title: 'The completion token is not valid here' },
  'not-found': { status: 404, title: 'There is nothing here' },
  'upload-not-found': { status: 404, title: 'No such upload' },
  'method-not-allowed': { status: 405, title: 'The method is not offered here' },
  'upload-not-open': { status: 409, title: 'The upload is no longer open' },
  'upload-expired': { status: 409, title: 'The upload has expired' },
  'upload-completing': { status: 409, title: 'The upload is being completed' },
  'upload-held': { status: 409, title: 'The object is not handed out yet' },
  'idempotency-conflict': {
    status: 409,
    title: 'The first request with this key is still running',
  },
  'issuer-taken': { status: 409, title: 'This issuer and audience are registered already' },
  'key-prefix-taken': { status: 409, title: 'This key prefix overlaps with another app’s' },
  'object-exists': { status: 409, title: 'An object with this key exists already' },
  'object-mismatch': { status: 409, title: 'The stored object is not what was declared' },
  'storage-upload-lost': { status: 409, title: 'The store no longer knows this upload' },
  'file-too-large': { status: 413, title: 'The file is larger than the policy allows' },
  'payload-too-large': { status: 413, title: 'The request body is too large' },
  'unsupported-media-type': { status: 415, title: 'The request body must be JSON' },
  'checksum-mismatch': {
    status: 422,
    title: 'The stored bytes do not match the declared checksum',
  },
  'checksum-unsupported': { status: 422, title: 'The store cannot check this kind of checksum' },
  'idempotency-key-reused': { status: 422, title: 'The key was used for another request' },
  'issuer-needs-claims': { status: 422, title: 'This issuer needs a claim that names its owner' },
  'part-out-of-range': { status: 422, title: 'Part numbers beyond the plan' },
  'parts-mismatch': { status: 422, title: 'The stored parts do not match the plan' },
  'size-required': { status: 422, title: 'The final size is needed' },
  'subject-prefix-conflict': {
    status: 422,
    title: 'This subject prefix overlaps with another issuer’s of the app',
  },
  'url-not-allowed': { status: 422, title: 'This URL cannot be a target' },
  'quota-exceeded': { status: 429, title: 'The quota is used up' },
  'rate-limited': { status: 429, title: 'Too many requests' },
  internal: { status: 500, title: 'Something went wrong here' },
  misconfigured: { status: 500, title: 'The service is not configured completely' },
  'database-unavailable': { status: 503, title: 'The database did not answer in time' },
  'storage-unavailable': { status: 503, title: 'The store did not answer as expected' },
  'not-ready': { status: 503, title: 'The service is not ready' },
} as const satisfies Record<string, { status: number; title: string }>

export type ProblemCode = keyof typeof PROBLEMS

export interface ProblemOptions {
  /** A sentence that says what to do. Never a secret, a signed URL or a stack. */
  detail: string
  cause?: unknown
  /** Sent as Retry-After. */
  retryAfterSeconds?: number
  /** Extension members (RFC 9457 §3.2), such as `errors` or `missing`. */
  members?: Record<string, unknown>
}

export class Problem extends Error {
  readonly code: ProblemCode
  readonly status: number
  readonly title: string
  readonly retryAfterSeconds: number | undefined
  readonly members: Record<string, unknown>

  constructor(code: ProblemCode, { detail, cause, retryAfterSeconds, members }: ProblemOptions) {
    super(detail, { cause })
    this.name = 'Problem'
    this.code = code
    this.status = PROBLEMS[code].status
    this.title = PROBLEMS[code].title
    this.retryAfterSeconds = retryAfterSeconds
    this.members = members ?? {}
  }
}

/** A problem of one field. `sentence` is the problem's detail if that says more than the field's. */
export const fieldProblem = (
  code: ProblemCode,
  pointer: string,
  detail: string,
  sentence = detail,
): Problem => new Problem(code, { detail: sentence, members: { errors: [{ pointer, detail }] } })

/** `invalid-request` for one field; its detail reads as a sentence that begins with the field. */
export const invalidField = (pointer: string, detail: string): Problem =>
  fieldProblem('invalid-request', pointer, detail, `${pointer.slice(1)} ${detail}`)
