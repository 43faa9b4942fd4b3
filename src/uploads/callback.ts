// Direct completion, reported by the store. A callback is a hint: it may lead to `finish` and to nothing else.
import type { CallbackFields, CallbackRow, RawRequest, Services } from '../core/ports.ts'
import { Problem } from '../core/problem.ts'
import { isStoreFailure } from '../core/store-failure.ts'
import { isExpired, openToken } from '../core/token.ts'
import { hasEnded, type UploadSession } from '../core/upload-session.ts'
import { finish } from './finish.ts'
import { lookForObject } from './presence.ts'

export type CallbackServices = Pick<
  Services,
  | 'uploads'
  | 'callbacks'
  | 'clock'
  | 'newId'
  | 'nudgeDeliveries'
  | 'storeNamed'
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

/** Without a completion token of ours: no row, no store call, no outgoing request. */
async function authorise(
  { storeNamed, hasStore, tokenKeys, clock }: CallbackServices,
  storeName: string,
  request: RawRequest,
): Promise<{ fields: CallbackFields; appId: string; uploadId: string }> {
  if (!hasStore(storeName)) throw refused('There is no such store.')
  const store = storeNamed(storeName)
  const claimed = store.readCallback(request)?.token
  const token = claimed ? await openToken(tokenKeys, 'completion', claimed) : undefined
  if (!token || isExpired(token, clock())) {
    throw refused('The body carries no valid completion token.')
  }
  const fields = store.verifyCallback(request)
  if (!fields) throw refused('The signature does not hold.')
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
  request: RawRequest,
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
  const { session, inserted } = await callbacks.insert(row, clock())
  if (!session) throw refused('The session is not known here.')
  if (!inserted || hasEnded(session.state)) return session
  const work = processCallback(services, row, session).catch((error: unknown) => {
    const level = isStoreFailure(error) ? 'warn' : 'error'
    log(level, 'a callback is left for the sweep', { upload: session.id, error: String(error) })
    return session
  })
  background(work)
  return Promise.race([work, delay(ANSWER_MS).then(() => session)])
}

/** Looks for the session's own object; the callback's own words about it decide nothing. Throws StoreFailure. */
export async function processCallback(
  services: CallbackServices,
  row: CallbackRow,
  session: UploadSession,
): Promise<UploadSession> {
  const { callbacks, clock } = services
  if (hasEnded(session.state)) {
    await callbacks.markProcessed(row, session.state, clock())
    return session
  }
  if (row.body.object !== session.key) {
    await callbacks.markProcessed(row, 'other-object', clock())
    return session
  }
  const presence = await lookForObject(services, session)
  // Anything but the session's own object is the sweep's to judge: a callback never fails a session.
  const reached =
    presence.kind === 'own' ? await finish(services, session, presence.object) : session
  await callbacks.markProcessed(row, presence.kind, clock())
  return reached
}
