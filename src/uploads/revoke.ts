// Revokes a grant and, on request, aborts its open sessions. The sweep releases their storage.
import { uploadEvent } from '../core/event.ts'
import type { Services } from '../core/ports/services.ts'

/** Sessions to abort in one statement. */
const AT_ONCE = 100

/**
 * Returns the number of aborted sessions, or undefined if there is no such grant. A revoked grant creates nothing, so the search after the
 * revocation finds every session that was created before it.
 */
export async function revokeGrant(
  { uploads, clock, newId, nudgeDeliveries }: Services,
  appId: string,
  grantId: string,
  { abort }: { abort: boolean },
): Promise<number | undefined> {
  let aborted = 0
  for (let revoked = false; ; revoked = true) {
    const now = clock()
    const open = abort ? await uploads.abortableUnder(appId, grantId, now, AT_ONCE) : []
    if (revoked && open.length === 0) return aborted
    const aborts = open.map((session) => {
      const after = { ...session, state: 'aborted' as const, endedAt: now }
      return {
        uploadId: session.id,
        event: uploadEvent('upload.aborted', newId('evt'), now, after),
      }
    })
    const done = await uploads.revokeGrant(appId, grantId, aborts, now)
    if (done === undefined) return undefined
    aborted += done
    if (done > 0) nudgeDeliveries()
  }
}
