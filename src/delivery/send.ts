// Sends one webhook with fetch: no redirects, bounded in time, the answer's body read up to a limit and dropped.
import type { SendWebhook } from '../core/ports.ts'
import { checkUrl } from './url-guard.ts'

const TIMEOUT_MS = 15_000
const MAX_ANSWER_BYTES = 64 * 1024

export interface SendOptions {
  fetch: typeof fetch
  allowPrivate: boolean
}

/** Portable; on Node a sender that also checks the resolved address takes its place. */
export function fetchSender({ fetch: fetchFrom, allowPrivate }: SendOptions): SendWebhook {
  return async function sendWebhook(url, headers, body) {
    const checked = checkUrl(url, { allowPrivate })
    if ('reason' in checked) throw new Error(checked.reason)
    const response = await fetchFrom(checked.url.href, {
      method: 'POST',
      headers,
      body,
      redirect: 'manual',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    })
    const reader = response.body?.getReader()
    for (let size = 0; reader; ) {
      const { done, value } = await reader.read()
      if (done) break
      size += value.length
      if (size > MAX_ANSWER_BYTES) {
        await reader.cancel()
        break
      }
    }
    return { status: response.status }
  }
}
