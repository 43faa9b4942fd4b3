// Sends one webhook and returns the status. It reads the body, up to a limit, only so that the connection can be reused.
import type { SendWebhook } from '../core/ports/deliveries.ts'
import { exchange } from '../net/exchange.ts'

const TIMEOUT_MS = 15_000
const MAX_ANSWER_BYTES = 64 * 1024

export interface SendOptions {
  /** Must refuse URLs that are not allowed. */
  fetch: typeof fetch
  timeoutMs?: number
}

export function fetchSender({
  fetch: fetchFrom,
  timeoutMs = TIMEOUT_MS,
}: SendOptions): SendWebhook {
  return async function sendWebhook(url, headers, body) {
    const limits = { timeoutMs, maxBytes: MAX_ANSWER_BYTES }
    const { status } = await exchange(fetchFrom, url, { method: 'POST', headers, body }, limits)
    return { status }
  }
}
