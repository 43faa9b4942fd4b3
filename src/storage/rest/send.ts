// One call to a store: bounded in time and answer size, its failures sorted into the kinds that flows act on.
import {
  isStoreFailure,
  StoreFailure,
  type StoreFailureKind,
} from '../../core/ports/store-failure.ts'
import { exchange } from '../../net/exchange.ts'
import { MAX_XML_BYTES, parseXml, textOf } from './xml.ts'

/** After this time a call without a complete answer counts as unanswered. */
const STORE_TIMEOUT_MS = 30_000

export interface StoreRequest {
  method: string
  url: string
  headers: Record<string, string>
  body?: string | Uint8Array<ArrayBuffer>
  timeoutMs?: number
}

export interface StoreAnswer {
  status: number
  headers: Headers
  body: string
}

/** How a family of services reports its failures, beyond the status. */
export interface FailureRules {
  /** The header that carries the error of a HEAD, as XML in base64. */
  errorHeader?: string
  /** Sorts an error code. `ambiguous` is a temporary 4xx, such as throttling. If undefined, the status decides. */
  kindOf(code: string): StoreFailureKind | undefined
}

/** The code of an error answer: from its XML or JSON, or for HEAD from a header. */
function errorCode({ body, headers, status }: StoreAnswer, { errorHeader }: FailureRules): string {
  if (body.startsWith('{')) {
    const code = parseJson(body)?.Code
    return typeof code === 'string' && code !== '' ? code : `Http${status}`
  }
  const encoded = errorHeader && headers.get(errorHeader)
  let xml = body
  try {
    if (!xml && encoded) xml = atob(encoded)
  } catch {
    // The header is broken, so only the status counts.
  }
  const parsed = parseXml(xml)
  return (parsed?.root === 'Error' && textOf(parsed.node, 'Code')) || `Http${status}`
}

/** One JSON object, or undefined. */
export function parseJson(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
    return isObject ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

const AMBIGUOUS_STATUS = new Set([408, 429])
/** The bucket is elsewhere, and the store lacks the call: nothing happened, and a repetition ends alike. */
const FINAL_STATUS = new Set([301, 501])

function failureOf(answer: StoreAnswer, rules: FailureRules): StoreFailure {
  const { status } = answer
  const code = errorCode(answer, rules)
  const kind = rules.kindOf(code) ?? 'refused'
  const definite =
    (status >= 400 && status < 500 && !AMBIGUOUS_STATUS.has(status)) || FINAL_STATUS.has(status)
  // A lost upload is lost whatever the status. Any other code counts only if the status confirms that nothing happened.
  return new StoreFailure(definite || kind === 'no-upload' ? kind : 'ambiguous', code, status)
}

/** Sends and reads the whole answer. Throws StoreFailure unless the status is 2xx or in `also`. */
export async function sendToStore(
  fetchFrom: typeof fetch,
  request: StoreRequest,
  failures: FailureRules,
  also: readonly number[] = [],
): Promise<StoreAnswer> {
  let answer: StoreAnswer
  try {
    const { url, timeoutMs = STORE_TIMEOUT_MS, ...init } = request
    const limits = { timeoutMs, maxBytes: MAX_XML_BYTES }
    const { status, headers, body } = await exchange(fetchFrom, url, init, limits)
    answer = { status, headers, body: new TextDecoder().decode(body()) }
  } catch (cause) {
    throw new StoreFailure('ambiguous', 'NoAnswer', 0, cause)
  }
  if (also.includes(answer.status)) return answer
  if (answer.status < 200 || answer.status > 299) throw failureOf(answer, failures)
  return answer
}

/** The root element of a 200 answer. Any other body throws `ambiguous`, because the store may have acted. */
export function expectXml(answer: StoreAnswer, root: string, failures: FailureRules) {
  const parsed = parseXml(answer.body)
  if (parsed?.root === root) return parsed.node
  if (parsed?.root === 'Error') throw failureOf(answer, failures)
  throw new StoreFailure('ambiguous', 'UnreadableAnswer', answer.status)
}

/**
 * For a failed call that names a storage upload and no other object: if the store looked for the upload as for an object, the
 * upload is what is missing.
 */
export const lostUpload =
  ({ missesUploadAsObject }: { missesUploadAsObject: boolean }) =>
  (failure: unknown): never => {
    if (!missesUploadAsObject || !isStoreFailure(failure, 'no-object')) throw failure
    throw new StoreFailure('no-upload', failure.code, failure.status, failure)
  }
