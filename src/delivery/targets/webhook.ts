// Sends an event to an App's endpoint, signed as Standard Webhooks, with the same id and bytes on every attempt.
import { signWebhook } from './standard-webhooks.ts'
import type { Target } from './target.ts'

export const webhook: Target = {
  async attempt({ deliveries, clock, sendWebhook }, { appId, endpointId, eventId, body }) {
    const endpoint = endpointId && (await deliveries.findEndpoint(appId, endpointId))
    if (!endpoint) return { kind: 'unclear', reason: 'the endpoint is gone' }
    const timestamp = Math.floor(clock().getTime() / 1000)
    const headers = {
      'content-type': 'application/json',
      'user-agent': 'Countersign',
      'webhook-id': eventId,
      'webhook-timestamp': String(timestamp),
      'webhook-signature': await signWebhook(endpoint.secret, eventId, timestamp, body),
    }
    try {
      const { status } = await sendWebhook(endpoint.url, headers, body)
      if (status >= 200 && status < 300) return { kind: 'done', status }
      return { kind: 'unclear', status, reason: `answered ${status}` }
    } catch (error) {
      const reason = error instanceof Error ? error.message.slice(0, 200) : 'not reached'
      return { kind: 'unclear', reason }
    }
  },
}
