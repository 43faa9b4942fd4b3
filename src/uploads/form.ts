// Signs the form of a `form` upload, anew in each answer to its owner. A form creates and never overwrites. The store cannot
// revoke it, so it is short-lived.
import type { SignedForm } from '../core/ports/object-store.ts'
import type { Services } from '../core/ports/services.ts'
import type { Holder } from '../core/reach.ts'
import { objectSpec, type UploadSession } from '../core/upload-session.ts'
import { callbackRequest, mintCompletionToken } from './tokens.ts'
import { validityFor } from './validity.ts'

const FORM_SECONDS = 15 * 60

export interface UploadForm extends SignedForm {
  expiresAt: Date
}

/**
 * Returns undefined for other methods, and for a session that is not open. If the policy offers direct completion, the form carries the
 * completion token, which its owner has anyway, so that the store can report the object.
 */
export async function signUploadForm(
  services: Services,
  session: UploadSession,
  holder: Holder,
): Promise<UploadForm | undefined> {
  const { clock, storeNamed } = services
  const now = clock()
  if (session.method !== 'form' || session.state !== 'open' || session.expiresAt <= now) {
    return undefined
  }
  const store = storeNamed(session.store)
  const { plan } = session
  const size =
    plan.sizeBytes === null
      ? { least: 0, most: session.reservedBytes }
      : { least: plan.sizeBytes, most: plan.sizeBytes }
  const untilEnd = Math.floor((session.expiresAt.getTime() - now.getTime()) / 1000)
  const validity = validityFor(store, now, FORM_SECONDS, untilEnd)
  const callback = await callbackFor(services, session, holder)
  const form = store.presignForm!(objectSpec(session), size, validity, callback)
  return { ...form, expiresAt: new Date(now.getTime() + validity.seconds * 1000) }
}

async function callbackFor(services: Services, session: UploadSession, holder: Holder) {
  if (session.policy.direct !== true) return undefined
  const completionToken = await mintCompletionToken(services, session, holder)
  return completionToken === undefined
    ? undefined
    : callbackRequest(services, session.store, completionToken)
}
