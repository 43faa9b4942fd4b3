// The outbox: what is owed to whom, claimed by lease, tried until it is settled. Webhooks go to an App's endpoints;
// processing goes to the upload's own store, and its outcome is an event in turn.
import type { WebhookEvent } from '../event.ts'
import type { ProcessingTarget } from '../processing.ts'

export type TargetName = 'webhook' | ProcessingTarget['type']

/** `running`: the store has accepted it and works on it; the sweep asks whether it is done. */
export type DeliveryState = 'pending' | 'running' | 'delivered' | 'failed'

/** What a store answered when it accepted a task, and until when it is waited for. */
export interface Progress {
  taskId: string
  since: string
  until: string
  /** What stood under the result's key before, where the result is known by its appearance. */
  before?: { etag: string; lastModified?: string }
}

export interface Delivery {
  appId: string
  id: string
  /** The event that owes it. */
  eventId: string
  uploadId: string
  target: TargetName
  /** Of a webhook only. */
  endpointId?: string
  type: string
  /** The event, or the ProcessingTask: the same on every attempt. */
  body: string
  state: DeliveryState
  attemptCount: number
  /** Attempts since creation or the last replay: what the schedule counts. */
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

/** Where a delivery goes from a claim. */
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
  /** Due ones in this state, each under a lease and with a new attempt number. */
  claim(
    appId: string,
    state: 'pending' | 'running',
    now: Date,
    leaseUntil: Date,
    limit: number,
  ): Promise<Delivery[]>
  /**
   * The outcome of a claim, and with it the event that tells of it, in one statement. Answers false, and changes
   * nothing, where somebody else has taken over. A look at what is still running leaves no attempt behind.
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
  /** Once more from the beginning; what is running already goes on. */
  replay(appId: string, id: string, now: Date): Promise<boolean>
  /** Whoever waits longest first. */
  appsWithDue(state: 'pending' | 'running', now: Date): Promise<string[]>
}

/** Sends one webhook: no redirects, bounded in time and answer size, and only to allowed addresses. */
export type SendWebhook = (
  url: string,
  headers: Record<string, string>,
  body: string,
) => Promise<{ status: number }>
