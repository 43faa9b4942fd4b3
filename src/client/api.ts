// Typed calls of the service, for browsers and Node. Every answer that is not 2xx throws an ApiProblem.
import type { z } from 'zod'
import type * as contract from '../contract.ts'

export type CreatedUpload = z.infer<typeof contract.createdUpload> & {
  missing?: Array<[number, number | null]>
  storedParts?: { count: number; bytes: number }
}
export type UploadStatus = z.infer<typeof contract.uploadStatus>
export type SignedParts = z.infer<typeof contract.signedParts>
export type SignedPart = SignedParts['parts'][number]

/** An answer of the service that is not 2xx. `code` never changes its meaning; `message` says what to do. */
export class ApiProblem extends Error {
  override readonly name = 'ApiProblem'
  readonly code: string
  readonly status: number
  readonly retryAfterSeconds: number | undefined
  readonly userMessage: string | undefined

  constructor(
    status: number,
    problem: { code?: string; detail?: string; userMessage?: string },
    retryAfterSeconds?: number,
  ) {
    super(problem.detail ?? `The service answered ${status}.`)
    this.status = status
    this.code = problem.code ?? `http-${status}`
    this.retryAfterSeconds = retryAfterSeconds
    this.userMessage = problem.userMessage
  }
}

export interface ApiOptions {
  /** Without a trailing slash. */
  url: string
  fetch?: typeof fetch
  signal?: AbortSignal
}

export interface Answer<Body> {
  status: number
  body: Body
  retryAfterSeconds: number | undefined
}

/**
 * Returns a function that calls the service.
 *
 * ```ts
 * const call = api({ url: 'https://uploads.example.com' })
 * const { body } = await call<UploadStatus>('GET', `/v1/uploads/${id}`, credential)
 * ```
 */
export function api({
  url,
  fetch: fetchFrom = (input, init) => fetch(input, init),
  signal,
}: ApiOptions) {
  return async function call<Body>(
    method: string,
    path: string,
    credential: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer<Body>> {
    const response = await fetchFrom(`${url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${credential}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal,
    })
    const retryAfter = Number(response.headers.get('retry-after') ?? Number.NaN)
    const retryAfterSeconds = Number.isFinite(retryAfter) ? retryAfter : undefined
    const answer: unknown = await response.json().catch(() => ({}))
    if (!response.ok) {
      throw new ApiProblem(response.status, answer as { code?: string }, retryAfterSeconds)
    }
    return { status: response.status, body: answer as Body, retryAfterSeconds }
  }
}

export type Call = ReturnType<typeof api>
