// Lists the uploads that a principal reaches: all of the App with an api key, otherwise its own.
import type { Services } from '../core/ports/services.ts'
import type { UploadFilter } from '../core/ports/uploads.ts'
import type { Principal } from '../core/principal.ts'
import { Problem } from '../core/problem.ts'
import { grantReach } from '../core/reach.ts'
import type { UploadSession } from '../core/upload-session.ts'

/** Newest first. Throws `forbidden` if the filter names the subject of another. */
export async function listUploads(
  { uploads, clock }: Pick<Services, 'uploads' | 'clock'>,
  principal: Principal,
  filter: Omit<UploadFilter, 'reach'>,
): Promise<UploadSession[]> {
  if (principal.kind === 'api-key') return uploads.list(principal.appId, filter)
  const { appId, subject } = principal
  if (filter.subject !== undefined && filter.subject !== subject) {
    throw new Problem('forbidden', { detail: 'Only an api key lists the uploads of others.' })
  }
  const reach = principal.kind === 'grant' ? grantReach(principal, clock()) : undefined
  return uploads.list(appId, { ...filter, subject, reach })
}
