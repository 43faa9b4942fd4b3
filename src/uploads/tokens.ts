// The upload token and the completion token of a session, and the conditions for direct completion.
import { POLICY_DEFAULTS } from '../core/policy.ts'
import type { CallbackRequest } from '../core/ports/object-store.ts'
import type { Services } from '../core/ports/services.ts'
import { getsReadBack, type Holder } from '../core/reach.ts'
import { mintToken, type UploadToken, uploadTokenSeconds } from '../core/token.ts'
import { hasEnded, objectSpec, type UploadSession } from '../core/upload-session.ts'

const seconds = (date: Date): number => Math.floor(date.getTime() / 1000)

/** Asks a store to report an upload to us, and to bring this token along. */
export const callbackRequest = (
  { callbackUrls }: Pick<Services, 'callbackUrls'>,
  storeName: string,
  token: string,
): CallbackRequest => ({
  urls: callbackUrls().map((url) => `${url}/v1/callbacks/${storeName}`),
  token,
})

/** Whether a client may complete at the store itself. A stream, a replacement and the backend's completion exclude it. */
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

/**
 * The claims of an upload token. It does not outlive the session. For one that has ended it still reads the status
 * but signs nothing, so that no URL is younger than the end of its session by more than a token's life.
 */
export function uploadClaims(
  { clock }: Pick<Services, 'clock'>,
  session: UploadSession,
  holder: Holder,
  origins?: string[],
): UploadToken {
  const end = seconds(session.expiresAt)
  const now = seconds(clock())
  return {
    ...sharedClaims(session, holder, origins),
    method: session.method,
    store: session.store,
    key: session.key,
    storage: session.storageUploadId,
    generation: session.generation,
    plan: session.plan,
    end: hasEnded(session.state) ? Math.min(end, now) : end,
    urlSeconds: session.policy.urlSeconds ?? POLICY_DEFAULTS.urlSeconds,
    ...(getsReadBack(holder, session) ? { readBack: true } : {}),
    ...(session.method === 'single' ? { object: objectSpec(session) } : {}),
    exp: Math.min(now + uploadTokenSeconds(session.method), end),
  }
}

const sharedClaims = (session: UploadSession, holder: Holder, origins?: string[]) => ({
  app: session.appId,
  upload: session.id,
  ...(holder.grantId ? { grant: holder.grantId } : {}),
  ...(origins ? { origins } : {}),
})

/** Whether clients of this holder leave completion to the App's backend. */
export const backendCompletes = (session: UploadSession, holder: Holder): boolean =>
  holder.backendCompletes || session.policy.completion === 'backend'

/** Returns undefined for a holder that is not the owner, and if the backend completes. */
export async function mintCompletionToken(
  { tokenKeys }: Pick<Services, 'tokenKeys'>,
  session: UploadSession,
  holder: Holder,
  origins?: string[],
): Promise<string | undefined> {
  if (!holder.isOwner || backendCompletes(session, holder)) return undefined
  const exp = seconds(session.expiresAt)
  return mintToken(tokenKeys, 'completion', { ...sharedClaims(session, holder, origins), exp })
}
