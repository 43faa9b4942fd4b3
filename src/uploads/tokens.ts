// The capabilities of a session: what its owner, or whoever holds its upload token, is handed with every answer.
import { POLICY_DEFAULTS } from '../core/policy.ts'
import type { CallbackRequest } from '../core/ports/object-store.ts'
import type { Services } from '../core/ports/services.ts'
import { getsReadBack, type Holder } from '../core/reach.ts'
import { mintToken, uploadTokenSeconds } from '../core/token.ts'
import { hasEnded, objectSpec, type UploadSession } from '../core/upload-session.ts'

const seconds = (date: Date): number => Math.floor(date.getTime() / 1000)

/** What a store is asked to report to us, with the token that it brings along. */
export const callbackRequest = (
  { callbackUrls }: Pick<Services, 'callbackUrls'>,
  storeName: string,
  token: string,
): CallbackRequest => ({
  urls: callbackUrls().map((url) => `${url}/v1/callbacks/${storeName}`),
  token,
})

/** True where a client may complete at the store itself: never for a stream, a replacement or the backend's completion. */
export function offersDirect(
  { storeNamed }: Pick<Services, 'storeNamed'>,
  session: UploadSession,
): boolean {
  const { policy, plan, method } = session
  return (
    policy.direct === true &&
    method === 'multipart' &&
    policy.completion !== 'backend' &&
    policy.overwrite !== 'replace' &&
    plan.sizeBytes !== null &&
    storeNamed(session.store).presignComplete !== undefined
  )
}

export interface SessionTokens {
  uploadToken: string
  completionToken?: string
  complete: { url: string; direct: boolean }
}

/**
 * Only an owner gets a completion token, where the backend does not complete. No token outlives the session; one of an ended session still reads its
 * status and signs nothing, so that no URL is younger than the end of its session by more than a token's life.
 */
export async function mintTokens(
  services: Pick<Services, 'tokenKeys' | 'clock' | 'publicUrl' | 'storeNamed'>,
  session: UploadSession,
  holder: Holder,
  origins?: string[],
): Promise<SessionTokens> {
  const { tokenKeys, clock, publicUrl } = services
  const end = seconds(session.expiresAt)
  const shared = {
    app: session.appId,
    upload: session.id,
    ...(holder.grantId ? { grant: holder.grantId } : {}),
    ...(origins ? { origins } : {}),
  }
  const uploadToken = await mintToken(tokenKeys, 'upload', {
    ...shared,
    method: session.method,
    store: session.store,
    key: session.key,
    storage: session.storageUploadId,
    generation: session.generation,
    plan: session.plan,
    end: hasEnded(session.state) ? Math.min(end, seconds(clock())) : end,
    urlSeconds: session.policy.urlSeconds ?? POLICY_DEFAULTS.urlSeconds,
    ...(getsReadBack(holder, session) ? { readBack: true } : {}),
    ...(session.method === 'single' ? { object: objectSpec(session) } : {}),
    exp: Math.min(seconds(clock()) + uploadTokenSeconds(session.method), end),
  })
  const backendCompletes = holder.backendCompletes || session.policy.completion === 'backend'
  const complete = {
    url: `${publicUrl()}/v1/uploads/${session.id}/complete`,
    direct: !backendCompletes && offersDirect(services, session),
  }
  if (!holder.isOwner || backendCompletes) return { uploadToken, complete }
  return {
    uploadToken,
    completionToken: await mintToken(tokenKeys, 'completion', { ...shared, exp: end }),
    complete,
  }
}
