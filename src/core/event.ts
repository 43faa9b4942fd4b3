// Builds webhook events from a session, and for processing from one of its tasks. The statement that writes an event adds the revision.
import type { ProcessingTask } from './processing.ts'
import type { UploadSession } from './upload-session.ts'

export const WEBHOOK_EVENT_TYPES = [
  'upload.created',
  'upload.completed',
  'upload.aborted',
  'upload.expired',
  'upload.failed',
  'processing.completed',
  'processing.failed',
] as const

export interface WebhookEvent {
  /** The last three are written to the log only: no App receives them. */
  type:
    | (typeof WEBHOOK_EVENT_TYPES)[number]
    | 'upload.completing'
    | 'upload.reopened'
    | 'upload.healed'
  id: string
  timestamp: string
  data: { upload: Record<string, unknown>; processing?: Record<string, unknown> }
}

export function uploadEvent(
  type: WebhookEvent['type'],
  id: string,
  at: Date,
  session: UploadSession,
): WebhookEvent {
  const { plan, policyName, endedAt, createdAt, ...rest } = session
  return {
    type,
    id,
    timestamp: at.toISOString(),
    data: {
      upload: {
        id: rest.id,
        appId: rest.appId,
        subject: rest.subject,
        state: rest.state,
        method: rest.method,
        policy: policyName,
        key: rest.key,
        filename: rest.filename,
        contentType: rest.contentType,
        sizeBytes: rest.object?.sizeBytes ?? plan.sizeBytes,
        createdAt: createdAt.toISOString(),
        ...(endedAt ? { endedAt: endedAt.toISOString() } : {}),
        ...(rest.grantId ? { grantId: rest.grantId } : {}),
        ...(rest.issuerId ? { issuerId: rest.issuerId, issuerSubject: rest.issuerSubject } : {}),
        ...(rest.fingerprint ? { fingerprint: rest.fingerprint } : {}),
        ...(rest.metadata ? { metadata: rest.metadata } : {}),
        ...(rest.object ? { object: rest.object } : {}),
        ...(rest.failure ? { failure: rest.failure } : {}),
      },
    },
  }
}

/** The object that the store made, as HEAD shows it. For a transcoding job, possibly the key alone. */
export interface ProcessedObject {
  key: string
  sizeBytes?: number
  etag?: string
  contentType?: string
}

export type ProcessingResult =
  | { object: ProcessedObject }
  /** A permanent code of ours or of the store, and a sentence. */
  | { reason: string; detail: string }

/** The outcome of one rule for one upload. The session stays `completed`. */
export function processingEvent(
  id: string,
  at: Date,
  session: UploadSession,
  delivery: { id: string; task: ProcessingTask; taskId?: string },
  result: ProcessingResult,
): WebhookEvent {
  const type = 'object' in result ? 'processing.completed' : 'processing.failed'
  const { task, taskId } = delivery
  const event = uploadEvent(type, id, at, session)
  const processing = {
    delivery: delivery.id,
    rule: task.rule,
    ...(task.name ? { name: task.name } : {}),
    target: task.target.type,
    key: task.key,
    ...(taskId ? { taskId } : {}),
    ...result,
  }
  return { ...event, data: { ...event.data, processing } }
}
