// The outbox at work: claims what is due, one app at a time, sends it, records the attempt and when to try again.
import type { Attempt, Delivery, DeliveryState, Services } from '../core/ports.ts'
import { signWebhook } from './standard-webhooks.ts'

/** Seconds after the first and each further failed attempt; after the last one the delivery has failed. */
export const RETRY_SECONDS = [
  5, 60, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400,
] as const

/** Outlives connect, first byte and total time-outs of one attempt. */
const LEASE_MS = 60_000
const BATCH = 20
/** Apps are asked in turn, so that one with many deliveries does not starve the others. */
const ROUNDS = 10
/** Outgoing requests of one attempt: its endpoint, the webhook, the record. */
const REQUESTS_PER_ATTEMPT = 3
const JITTER = 0.2

export type DeliverServices = Pick<
  Services,
  'deliveries' | 'clock' | 'randomBytes' | 'sendWebhook' | 'budget' | 'log'
>

/** Delivers what is due now and what the budget allows. Answers how many attempts it made. */
export async function deliverDue(services: DeliverServices): Promise<number> {
  const { deliveries, clock, budget } = services
  let attempts = 0
  for (let round = 0; round < ROUNDS; round++) {
    const apps = await deliveries.appsWithDueDeliveries(clock())
    if (!apps.length) break
    for (const appId of apps) {
      // One more for the claim itself.
      const most = Math.min(BATCH, Math.floor((budget.left - 1) / REQUESTS_PER_ATTEMPT))
      if (most < 1) return attempts
      const now = clock()
      const lease = new Date(now.getTime() + LEASE_MS)
      const claimed = await deliveries.claim(appId, now, lease, most)
      await Promise.all(claimed.map((delivery) => attempt(services, delivery)))
      attempts += claimed.length
    }
  }
  return attempts
}

async function attempt(services: DeliverServices, delivery: Delivery): Promise<void> {
  const { deliveries, clock, log } = services
  const began = clock()
  const outcome = await send(services, delivery)
  const made: Attempt = {
    at: began,
    latencyMs: clock().getTime() - began.getTime(),
    ...outcome,
  }
  const next = nextFor(services, delivery, outcome)
  await deliveries.record(delivery, made, next)
  log(next.state === 'delivered' ? 'info' : 'warn', `webhook ${next.state}`, {
    delivery: delivery.id,
    type: delivery.type,
    status: outcome.status,
    reason: outcome.reason,
  })
}

async function send(
  { deliveries, clock, sendWebhook }: DeliverServices,
  delivery: Delivery,
): Promise<Pick<Attempt, 'status' | 'reason'>> {
  try {
    const endpoint = await deliveries.findEndpoint(delivery.appId, delivery.endpointId)
    if (!endpoint) return { reason: 'the endpoint is gone' }
    const timestamp = Math.floor(clock().getTime() / 1000)
    const { status } = await sendWebhook(
      endpoint.url,
      {
        'content-type': 'application/json',
        'user-agent': 'Countersign',
        'webhook-id': delivery.eventId,
        'webhook-timestamp': String(timestamp),
        'webhook-signature': await signWebhook(
          endpoint.secret,
          delivery.eventId,
          timestamp,
          delivery.body,
        ),
      },
      delivery.body,
    )
    return status >= 200 && status < 300 ? { status } : { status, reason: `answered ${status}` }
  } catch (error) {
    return { reason: error instanceof Error ? error.message.slice(0, 200) : 'not reached' }
  }
}

function nextFor(
  { clock, randomBytes }: DeliverServices,
  { scheduledAttempts }: Delivery,
  { reason }: Pick<Attempt, 'reason'>,
): { state: DeliveryState; at?: Date } {
  if (reason === undefined) return { state: 'delivered' }
  const seconds = RETRY_SECONDS[scheduledAttempts]
  if (seconds === undefined) return { state: 'failed' }
  const jitter = 1 + JITTER * (randomBytes(1)[0]! / 255)
  return { state: 'pending', at: new Date(clock().getTime() + seconds * 1000 * jitter) }
}
