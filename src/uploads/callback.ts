// Direct completion, reported by the store. A callback is a hint: it may lead to `finish` and to nothing else.
import { errorText } from '../core/error-text.ts'
import type { CallbackRow } from '../core/ports/callbacks.ts'
import type { RawRequest, StoreCallback } from '../core/ports/object-store.ts'
import type { Services } from '../core/ports/services.ts'
import { isStoreFailure } from '../core/ports/store-failure.ts'
import { Problem } from '../core/problem.ts'
import { isExpired, openToken } from '../core/token.ts'
import { hasEnded, type UploadSession } from '../core/upload-session.ts'
import { finish } from './ending/finish.ts'
import { checkObject } from './ending/own-object.ts'

/** A store waits a few seconds for the answer (OSS five) and relays it to the uploader. */
const ANSWER_MS = 3_000
const MAX_REQUEST_ID_LENGTH = 128

const refused = (detail: string) => new Problem('callback-not-verified', { detail })

/** `rawPaths` are the paths that the store may have called. Its signature covers one of them. */
export interface ReceivedCallback extends Omit<RawRequest, 'rawPath'> {
  rawPaths: readonly string[]
}

/**
 * A callback without our completion token, the store's signature and our bucket's name causes no row and no outgoing request.
 * All three count: any customer can have the store sign a body, and the uploader can read the token.
 */
async function authorise(
  { storeNamed, hasStore, tokenKeys, clock }: Services,
  storeName: string,
  { rawPaths, ...request }: ReceivedCallback,
): Promise<{ callback: StoreCallback; appId: string; uploadId: string }> {
  if (!hasStore(storeName)) throw refused('There is no such store.')
  const store = storeNamed(storeName)
  const claimed = store.readCallback(request)?.token
  const token = claimed ? await openToken(tokenKeys, 'completion', claimed) : undefined
  if (!token || isExpired(token, clock())) {
    throw refused('The body carries no valid completion token.')
  }
  const verified = rawPaths.map((rawPath) => store.verifyCallback({ ...request, rawPath }))
  const callback = verified.find((found) => found !== undefined)
  if (!callback) throw refused('The signature does not hold.')
  if (callback.bucket !== store.location.bucket) throw refused('It is about another bucket.')
  return { callback, appId: token.app, uploadId: token.upload }
}

/** The inbox is keyed by an id that the store has signed. */
function checkRequestId({ requestId: id }: StoreCallback): string {
  if (!id || id.length > MAX_REQUEST_ID_LENGTH) throw refused('The body has no request id.')
  return id
}

/** Answers the session as it is after three seconds at most. Throws no Problem once the callback is in the inbox. */
export async function receiveCallback(
  services: Services,
  storeName: string,
  request: ReceivedCallback,
): Promise<UploadSession> {
  const { callbacks, clock, background, delay, log } = services
  const { callback, appId, uploadId } = await authorise(services, storeName, request)
  const { key, sizeBytes, etag } = callback
  const row: CallbackRow = {
    appId,
    uploadId,
    requestId: checkRequestId(callback),
    store: storeName,
    reported: { key, sizeBytes, etag },
  }
  const outOfTime = delay(ANSWER_MS)
  const { session, inserted } = await callbacks.insert(row, clock())
  if (!session) throw refused('The session is not known here.')
  if (!inserted || hasEnded(session.state)) return session
  const work = processCallback(services, row, session).catch((error: unknown) => {
    const level = isStoreFailure(error) ? 'warn' : 'error'
    log(level, 'a callback is left for the sweep', { upload: session.id, error: errorText(error) })
    return session
  })
  background(work)
  return Promise.race([work, outOfTime.then(() => session)])
}

/** Why a callback cannot be about the session's object; found without asking the store. */
function strayOutcome(row: CallbackRow, session: UploadSession): string | undefined {
  const { reported, source } = row
  if (hasEnded(session.state)) return session.state
  if (source !== undefined) return undefined
  if (reported.key !== session.key) return 'other-object'
  const { sizeBytes } = session.plan
  return sizeBytes !== null && reported.sizeBytes !== sizeBytes ? 'other-size' : undefined
}

/** Looks for the session's own object, because the callback proves nothing. Throws StoreFailure. */
export async function processCallback(
  services: Services,
  row: CallbackRow,
  session: UploadSession,
): Promise<UploadSession> {
  const { callbacks, clock } = services
  const stray = strayOutcome(row, session)
  if (stray) {
    await callbacks.markProcessed(row, stray, clock())
    return session
  }
  const check = await checkObject(services, session)
  // A callback never fails a session: the sweep judges any other object.
  const current = check.kind === 'own' ? await finish(services, session, check.object) : session
  await callbacks.markProcessed(row, check.kind, clock())
  return current
}
