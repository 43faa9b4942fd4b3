// The type of a delivery target: one attempt, its outcome, and a way to poll for work that goes on in the store.
import type { ProcessedObject, WebhookEvent } from '../../core/event.ts'
import type { Delivery, Progress } from '../../core/ports/deliveries.ts'
import type { Services } from '../../core/ports/services.ts'

export type Outcome =
  | { kind: 'done'; status?: number; object?: ProcessedObject }
  /** Accepted and in progress: polled until `progress.until`. */
  | { kind: 'running'; status?: number; progress: Progress }
  /** No answer, or one that leaves the outcome open: tried again. */
  | { kind: 'unclear'; status?: number; reason: string }
  /** A definite refusal: not tried again. */
  | { kind: 'refused'; status?: number; reason: string; detail: string }

export type FinalOutcome = Extract<Outcome, { kind: 'done' | 'refused' }>

export interface Target {
  attempt(services: Services, delivery: Delivery): Promise<Outcome>
  /** Asks whether accepted work is done. Absent if an attempt ends it. */
  poll?(services: Services, delivery: Delivery): Promise<Outcome>
  /** The event of the outcome. Absent if the App gets none. */
  buildEvent?(
    services: Services,
    delivery: Delivery,
    outcome: FinalOutcome,
  ): Promise<WebhookEvent | undefined>
}
