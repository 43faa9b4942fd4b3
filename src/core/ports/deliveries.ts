// The outbox: deliveries are claimed by lease and attempted until they end. Webhooks go to an App's endpoints. Processing goes to
// the upload's own store, and its outcome is another event.
import type { WebhookEvent } from '../event.ts'
import type { ProcessingTarget } from '../processing.ts'

export type TargetName = 'webhook' | ProcessingTarget['type']

/** `running`: the store has accepted the task, and the sweep polls it. */
export type DeliveryState = 'pending' | 'running' | 'delivered' | 'failed'

/** A task that the store has accepted, and when polling ends. */
export interface Progress {
  taskId: string
  since: string
  until: string
  /** The object under the result's key before the task, from which the result must differ. */
  before?: { etag: string; lastModified?: string }
}

export interface Delivery {
  appId: string
  id: string
  /** The event that caused it. */
  eventId: string
  uploadId: string
  target: TargetName
  /** Webhooks only. */
  endpointId?: string
  type: string
  /** The event or the ProcessingTask, the same on every attempt. */
  body: string
  state: DeliveryState
  attemptCount: number
  /** Attempts since the creation or the last replay; the schedule counts these. */
  scheduledAttempts: number
  progress?: Progress
  nextAttemptAt?: Date
  createdAt: Date
}

export interface Attempt {
  at: Date
  status?: number
  latencyMs: number
  reason?: string
}

/** The state of a delivery after an attempt. */
export interface NextStep {
  state: DeliveryState
  at?: Date
  progress?: Progress
}

export interface WebhookEndpoint {
  appId: string
  id: string
  url: string
  events?: string[]
  secret: string
}

export interface DeliveriesDb {
  createEndpoint(endpoint: WebhookEndpoint, now: Date): Promise<void>
  findEndpoint(appId: string, id: string): Promise<WebhookEndpoint | undefined>
  /** Claims due deliveries in this state. Each gets a lease and a new attempt number. */
  claim(
    appId: string,
    state: 'pending' | 'running',
    now: Date,
    leaseUntil: Date,
    limit: number,
  ): Promise<Delivery[]>
  /**
   * Records the outcome of a claim and its event in one statement. Returns false and changes nothing if another worker has taken
   * over. A poll of a task that is still running records no attempt.
   */
  record(
    delivery: Delivery,
    attempt: Attempt | undefined,
    next: NextStep,
    event?: WebhookEvent,
  ): Promise<boolean>
  list(
    appId: string,
    of: { endpointId: string } | { uploadId: string },
    page: { limit: number; cursor?: string },
  ): Promise<Array<Delivery & { attempts: Attempt[] }>>
  /** Starts the attempts again. A running task goes on. */
  replay(appId: string, id: string, now: Date): Promise<boolean>
  /** The app that has waited longest comes first. */
  appsWithDue(state: 'pending' | 'running', now: Date): Promise<string[]>
}

/** Sends one webhook: no redirects, bounded in time and answer size, and only to allowed addresses. */
export type SendWebhook = (
  url: string,
  headers: Record<string, string>,
  body: string,
) => Promise<{ status: number }>
