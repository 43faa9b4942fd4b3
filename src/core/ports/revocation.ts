// What revoking a grant asks of the database: one statement ends the grant and the sessions that are open under it.
import type { WebhookEvent } from '../event.ts'
import type { UploadSession } from '../upload-session.ts'

export interface RevocationDb {
  /** Initiating and open sessions that the grant created and that nobody may be completing. */
  abortableUnder(appId: string, grantId: string, now: Date, limit: number): Promise<UploadSession[]>
  /**
   * Revokes a grant and aborts these sessions of it, those that are still abortable, with their events. Answers how many;
   * undefined where there is no such grant.
   */
  revokeGrant(
    appId: string,
    grantId: string,
    aborts: ReadonlyArray<{ uploadId: string; event: WebhookEvent }>,
    now: Date,
  ): Promise<number | undefined>
}
