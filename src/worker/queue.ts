// Notifications that come through a queue: R2 has no other way. Only the platform fills a queue, so that a message needs no proof.
import { errorText } from '../core/error-text.ts'
import type { Services } from '../core/ports/services.ts'
import { receiveHint } from '../uploads/receive-notification.ts'

/** A message as Cloudflare hands it over. It counts as taken unless `retry` is called. */
export interface QueueMessage {
  body: unknown
  retry(): void
}

/** The messages of a batch that are no nudges. */
export function notificationsOf(batch: unknown): QueueMessage[] {
  const { messages } = Object(batch) as { messages?: QueueMessage[] }
  return (messages ?? []).filter(({ body }) => typeof body === 'object' && body !== null)
}

/** Takes what it has saved out of `messages`, and what no source of these stores knows. The rest must be retried. */
export async function receiveMessages(
  services: Services,
  stores: readonly string[],
  messages: Set<QueueMessage>,
): Promise<void> {
  for (const message of messages) {
    try {
      for (const store of stores) await receiveMessage(services, store, message.body)
      messages.delete(message)
    } catch (error) {
      services.log('warn', 'a message of a queue is retried', { error: errorText(error) })
    }
  }
}

async function receiveMessage(services: Services, store: string, body: unknown): Promise<void> {
  for (const { name, readMessage } of services.notificationSources(store)) {
    const hint = readMessage?.(body)
    if (hint) await receiveHint(services, { store, source: name, hint })
  }
}
