// The port for revoking a grant: one statement ends the grant and the sessions that are open under it.
import type { WebhookEvent } from '../event.ts'
import type { UploadSession } from '../upload-session.ts'

export interface RevocationDb {
  /** Initiating and open sessions that the grant created, without a recent attempt to complete. */
  abortableUnder(appId: string, grantId: string, now: Date, limit: number): Promise<UploadSession[]>
  /** Revokes a grant and aborts those of these sessions that still allow it. Returns how many; undefined for an unknown grant. */
  revokeGrant(
    appId: string,
    grantId: string,
    aborts: ReadonlyArray<{ uploadId: string; event: WebhookEvent }>,
    now: Date,
  ): Promise<number | undefined>
}
