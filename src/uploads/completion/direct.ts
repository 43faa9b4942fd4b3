// Direct completion: after the check of a relayed one, the client gets a signed request to the store, whose callback returns
// the completion token to us.
import type { SignedRequest } from '../../core/ports/object-store.ts'
import type { Services } from '../../core/ports/services.ts'
import { Problem } from '../../core/problem.ts'
import type { Holder } from '../../core/reach.ts'
import { type Declaration, objectSpec, type UploadSession } from '../../core/upload-session.ts'
import { currentSession } from '../ending/end.ts'
import { notOpen, throwRefusal } from '../problems.ts'
import { callbackRequest, mintCompletionToken, offersDirect } from '../tokens.ts'
import { validityFor } from '../validity.ts'
import { checkInput } from './declaration.ts'
import { checkParts, listToCheck } from './stored-parts.ts'

const URL_SECONDS = 15 * 60

interface DirectCompletion extends SignedRequest {
  expiresAt: Date
}

/** Throws `forbidden` if direct completion is not offered, and every problem that a relayed completion finds before it. */
export async function signDirectCompletion(
  services: Services,
  session: UploadSession,
  input: Declaration,
  holder: Holder,
): Promise<DirectCompletion> {
  const { uploads, clock, storeNamed } = services
  const now = clock()
  if (!offersDirect(services, session)) {
    throw new Problem('forbidden', {
      detail: 'Direct completion is not offered for this upload: complete without "mode".',
    })
  }
  if (session.state !== 'open') throw notOpen(session, now)
  checkInput(session, input)
  const store = storeNamed(session.store)
  const untilEnd = Math.floor((session.expiresAt.getTime() - now.getTime()) / 1000)
  const validity = validityFor(store, now, URL_SECONDS, untilEnd)
  const upload = { key: session.key, storageUploadId: session.storageUploadId! }
  const listed = await listToCheck(store, upload).catch(throwRefusal)
  const checksum = session.checksum ?? input.checksum
  checkParts(session.plan, session.plan.sizeBytes!, listed, checksum)
  // From now on the client may ask the store at any moment, and parts may have changed: HEAD compares again.
  const checked = { checksums: listed.checksums, checksum }
  const recorded = await uploads.recordDirect(session.appId, session.id, checked, clock())
  if (!recorded) {
    const current = await currentSession(services, session)
    // Another direct completion has bound the session to a checksum: check against that one.
    if (current.checksum !== session.checksum) {
      return signDirectCompletion(services, current, input, holder)
    }
    throw notOpen(current, now)
  }
  const completionToken = await mintCompletionToken(services, recorded, holder)
  const signed = store.presignComplete!(
    upload,
    callbackRequest(services, store.name, completionToken!),
    objectSpec(session),
    validity,
  )
  return { ...signed, expiresAt: new Date(now.getTime() + validity.seconds * 1000) }
}
