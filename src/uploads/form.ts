// The form of a `form` upload: signed for its owner each time that the session is asked for. It creates and never overwrites,
// and cannot be revoked at the store, so it lives shortly.
import type { SignedForm } from '../core/ports/object-store.ts'
import type { Services } from '../core/ports/services.ts'
import type { Holder } from '../core/reach.ts'
import { objectSpec, type UploadSession } from '../core/upload-session.ts'
import { callbackRequest, mintTokens } from './tokens.ts'
import { validityFor } from './validity.ts'

const FORM_SECONDS = 15 * 60

export interface UploadForm extends SignedForm {
  expiresAt: Date
}

type FormServices = Pick<
  Services,
  'clock' | 'storeNamed' | 'tokenKeys' | 'publicUrl' | 'callbackUrls'
>

/**
 * Undefined for other methods, and where the session is not open. Where the policy offers direct completion, the store
 * reports the object: the form then carries the completion token, which its owner has anyway.
 */
export async function signUploadForm(
  services: FormServices,
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

async function callbackFor(services: FormServices, session: UploadSession, holder: Holder) {
  if (session.policy.direct !== true) return undefined
  const { completionToken } = await mintTokens(services, session, holder)
  if (completionToken === undefined) return undefined // Completion is the backend's.
  return callbackRequest(services, session.store, completionToken)
}
