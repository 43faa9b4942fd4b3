// Sends one request and reads its whole answer within limits. The time-out is a race, because an aborted fetch does not always
// settle.
import { concatBytes } from '../bytes/encoding.ts'

export interface ExchangeLimits {
  /** From the connection to the last byte of the body. */
  timeoutMs: number
  maxBytes: number
}

export interface Answer {
  status: number
  headers: Headers
  /** The whole body. Throws if it was too long, broke off or did not end in time. */
  body(): Uint8Array<ArrayBuffer>
}

/** Rejects if no status arrives in time. Follows no redirect. */
export async function exchange(
  fetchFrom: typeof fetch,
  url: string | URL,
  init: RequestInit,
  { timeoutMs, maxBytes }: ExchangeLimits,
): Promise<Answer> {
  const ending = new AbortController()
  const { signal } = ending
  const ended = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
  const cancel = () => ending.abort(init.signal?.reason)
  const tooLate = () => ending.abort(new DOMException('no answer in time', 'TimeoutError'))
  const work = async (): Promise<Answer> => {
    const sent = fetchFrom(url, { ...init, redirect: 'manual', signal })
    const response = await Promise.race([sent, ended])
    const { status, headers } = response
    try {
      const body = await Promise.race([readBounded(response, maxBytes), ended])
      return { status, headers, body: () => body }
    } catch (failure) {
      ending.abort(failure) // Frees the connection.
      return {
        status,
        headers,
        body() {
          throw failure
        },
      }
    }
  }
  if (init.signal?.aborted) cancel()
  init.signal?.addEventListener('abort', cancel)
  const timer = setTimeout(tooLate, timeoutMs)
  try {
    return await work()
  } finally {
    clearTimeout(timer)
    init.signal?.removeEventListener('abort', cancel)
  }
}

async function readBounded(response: Response, maxBytes: number): Promise<Uint8Array<ArrayBuffer>> {
  const reader = response.body?.getReader()
  const chunks: Uint8Array[] = []
  let size = 0
  while (reader) {
    const { done, value } = await reader.read()
    if (done) break
    size += value.length
    if (size > maxBytes) throw new DOMException('the answer is too large', 'QuotaExceededError')
    chunks.push(value)
  }
  return concatBytes(chunks)
}
