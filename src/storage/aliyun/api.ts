// Calls to Alibaba Cloud's APIs beside OSS (STS, Media Processing), signed with ACS3.
// Source: Alibaba Cloud, "V3 request syntax and signature".
import { StoreFailure } from '../../core/ports/store-failure.ts'
import type { Oss4Credentials } from '../../signing/oss4.ts'
import { type FailureRules, parseJson, sendToStore } from '../rest/send.ts'
import { signAcs3 } from './acs3.ts'

const TIMEOUT_MS = 10_000

/** Answered with 400, but worth the same request again; "Throttling.User" and others are a 429. */
export const isTransient = (code: string): boolean =>
  code.startsWith('Throttling') || code === 'RequestTimeout' || code === 'IncompleteBody'

const FAILURES: FailureRules = {
  kindOf: (code) => (isTransient(code) ? 'ambiguous' : undefined),
}

export interface ApiOptions {
  /** Scheme and host. */
  endpoint: string
  credentials: Oss4Credentials
  clock: () => Date
  fetch: typeof fetch
  newNonce: () => string
  /** For one call; 10 s by default. */
  timeoutMs?: number
}

/** The API fixes whether a parameter goes into the query or into a form. */
export interface ApiParameters {
  query?: Record<string, string>
  form?: Record<string, string>
}

export type ApiCall = (
  action: string,
  parameters: ApiParameters,
) => Promise<Record<string, unknown>>

/** Answers the JSON of a success. Throws StoreFailure with the API's own code. */
export function apiCaller(version: string, options: ApiOptions): ApiCall {
  const { endpoint, credentials, clock, newNonce } = options
  return async function call(action, { query = {}, form }) {
    const { path, headers, body } = signAcs3(
      {
        method: 'POST',
        host: new URL(endpoint).host,
        query,
        action,
        version,
        date: `${clock().toISOString().slice(0, 19)}Z`,
        nonce: newNonce(),
        contentType: form && 'application/x-www-form-urlencoded',
        body: form ? new URLSearchParams(form).toString() : '',
      },
      credentials,
    )
    const answer = await sendToStore(
      options.fetch,
      {
        method: 'POST',
        url: `${endpoint}${path}`,
        headers,
        // Undefined instead of '', because fetch adds a content type to a text, which the signature does not cover.
        body: form && body,
        timeoutMs: options.timeoutMs ?? TIMEOUT_MS,
      },
      FAILURES,
    )
    const parsed = parseJson(answer.body)
    if (!parsed) throw new StoreFailure('ambiguous', 'UnreadableAnswer', answer.status)
    return parsed
  }
}
