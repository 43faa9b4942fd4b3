// What a delivery target is: one attempt, its outcome, and for work that goes on elsewhere, a way to ask about it.
import type { ProcessedObject, WebhookEvent } from '../../core/event.ts'
import type { Delivery, Progress } from '../../core/ports/deliveries.ts'
import type { Services } from '../../core/ports/services.ts'

export type DeliverServices = Pick<
  Services,
  | 'deliveries'
  | 'uploads'
  | 'storeNamed'
  | 'hasStore'
  | 'clock'
  | 'newId'
  | 'randomBytes'
  | 'sendWebhook'
  | 'nudgeDeliveries'
  | 'budget'
  | 'log'
>

export type Outcome =
  | { kind: 'done'; status?: number; object?: ProcessedObject }
  /** Accepted and under way: to be asked about until `progress.until`. */
  | { kind: 'running'; status?: number; progress: Progress }
  /** No answer, or one that leaves it open: to be tried again. */
  | { kind: 'unclear'; status?: number; reason: string }
  /** A definite no: not tried again. */
  | { kind: 'refused'; status?: number; reason: string; detail: string }

export type Settled = Extract<Outcome, { kind: 'done' | 'refused' }>

export interface Target {
  attempt(services: DeliverServices, delivery: Delivery): Promise<Outcome>
  /** Present where what was accepted goes on by itself: is it done? */
  poll?(services: DeliverServices, delivery: Delivery): Promise<Outcome>
  /** Present where the outcome is an event of its own. */
  tell?(
    services: DeliverServices,
    delivery: Delivery,
    outcome: Settled,
  ): Promise<WebhookEvent | undefined>
}
