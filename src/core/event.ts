// WebhookEvent: what an App is told, built from a session. The revision is added by the statement that writes the event.
import type { UploadSession } from './upload-session.ts'

export const WEBHOOK_EVENT_TYPES = [
  'upload.created',
  'upload.completed',
  'upload.aborted',
  'upload.expired',
  'upload.failed',
] as const
export type WebhookEventType = (typeof WEBHOOK_EVENT_TYPES)[number]

/** Entries of the log that no App is told of. */
export type LogEventType = 'upload.completing' | 'upload.reopened' | 'upload.healed'

export interface WebhookEvent {
  type: WebhookEventType | LogEventType
  id: string
  timestamp: string
  data: { upload: Record<string, unknown> }
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
        ...(rest.fingerprint ? { fingerprint: rest.fingerprint } : {}),
        ...(rest.metadata ? { metadata: rest.metadata } : {}),
        ...(rest.object ? { object: rest.object } : {}),
        ...(rest.failure ? { failure: rest.failure } : {}),
      },
    },
  }
}
