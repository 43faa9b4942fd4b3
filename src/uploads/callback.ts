// Direct completion, reported by the store. A callback is a hint: it may lead to `finish` and to nothing else.
import { errorText } from '../core/error-text.ts'
import type { CallbackRow } from '../core/ports/callbacks.ts'
import type { CallbackFields, RawRequest } from '../core/ports/object-store.ts'
import type { Services } from '../core/ports/services.ts'
import { isStoreFailure } from '../core/ports/store-failure.ts'
import { Problem } from '../core/problem.ts'
import { isExpired, openToken } from '../core/token.ts'
import { hasEnded, type UploadSession } from '../core/upload-session.ts'
import { finish } from './ending/finish.ts'
import { checkObject } from './ending/own-object.ts'

export type CallbackServices = Pick<
  Services,
  | 'uploads'
  | 'callbacks'
  | 'clock'
  | 'newId'
  | 'nudgeDeliveries'
  | 'storeNamed'
  | 'budget'
  | 'hasStore'
  | 'tokenKeys'
  | 'delay'
  | 'background'
  | 'log'
>

/** OSS waits five seconds for the answer and relays it to the uploader; ours is out by three. */
const ANSWER_MS = 3_000
const MAX_REQUEST_ID_LENGTH = 128

const refused = (detail: string) => new Problem('callback-not-verified', { detail })

/** With each path by which the store may have called: its signature holds over one of them. */
export interface ReceivedCallback extends Omit<RawRequest, 'rawPath'> {
  rawPaths: readonly string[]
}

/**
 * Without a completion token of ours and the signature of our bucket's store: no row, no store call, no outgoing request.
 * Every customer can have the store sign a body, and a token can be read by the uploader: the bucket is what is ours.
 */
async function authorise(
  { storeNamed, hasStore, tokenKeys, clock }: CallbackServices,
  storeName: string,
  { rawPaths, ...request }: ReceivedCallback,
): Promise<{ fields: CallbackFields; appId: string; uploadId: string }> {
  if (!hasStore(storeName)) throw refused('There is no such store.')
  const store = storeNamed(storeName)
  const claimed = store.readCallback(request)?.token
  const token = claimed ? await openToken(tokenKeys, 'completion', claimed) : undefined
  if (!token || isExpired(token, clock())) {
    throw refused('The body carries no valid completion token.')
  }
  const verified = rawPaths.map((rawPath) => store.verifyCallback({ ...request, rawPath }))
  const fields = verified.find((found) => found !== undefined)
  if (!fields) throw refused('The signature does not hold.')
  if (fields.bucket !== store.location.bucket) throw refused('It is about another bucket.')
  return { fields, appId: token.app, uploadId: token.upload }
}

/** The inbox is keyed by what the store signed, never by a header. */
function requestIdOf(fields: CallbackFields): string {
  const id = fields.reqId
  if (!id || id.length > MAX_REQUEST_ID_LENGTH) throw refused('The body has no request id.')
  return id
}

/** Answers the session as it is by then. After the durable insert it never throws a Problem. */
export async function receiveCallback(
  services: CallbackServices,
  storeName: string,
  request: ReceivedCallback,
): Promise<UploadSession> {
  const { callbacks, clock, background, delay, log } = services
  const { fields, appId, uploadId } = await authorise(services, storeName, request)
  const { token: _, ...body } = fields
  const row: CallbackRow = {
    appId,
    uploadId,
    requestId: requestIdOf(fields),
    store: storeName,
    body,
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

/** What shows, without a look at the store, that a callback speaks of something else than the session's object. */
function strayOutcome({ body }: CallbackRow, session: UploadSession): string | undefined {
  if (hasEnded(session.state)) return session.state
  if (body.object !== session.key) return 'other-object'
  const { sizeBytes } = session.plan
  return sizeBytes !== null && body.size !== String(sizeBytes) ? 'other-size' : undefined
}

/** Looks for the session's own object; what the callback says of it proves nothing. Throws StoreFailure. */
export async function processCallback(
  services: CallbackServices,
  row: CallbackRow,
  session: UploadSession,
): Promise<UploadSession> {
  const { callbacks, clock } = services
  const stray = strayOutcome(row, session)
  if (stray) {
    await callbacks.markProcessed(row, stray, clock())
    return session
  }
  const presence = await checkObject(services, session)
  // Anything but the session's own object is the sweep's to judge: a callback never fails a session.
  const reached =
    presence.kind === 'own' ? await finish(services, session, presence.object) : session
  await callbacks.markProcessed(row, presence.kind, clock())
  return reached
}
