// What a bucket reports of its own accord: verified, saved in the inbox of callbacks, answered, and then checked with HEAD. Like a
// callback it may lead to `finish` and to nothing else.
import { errorText } from '../core/error-text.ts'
import type { CallbackRow } from '../core/ports/callbacks.ts'
import type { ObjectHint, ReceivedNotification } from '../core/ports/notifications.ts'
import type { Services } from '../core/ports/services.ts'
import { isStoreFailure } from '../core/ports/store-failure.ts'
import type { UploadSession } from '../core/upload-session.ts'
import { processCallback } from './callback.ts'

/**
 * The hints of the first source that verifies the request. Undefined if none does: then no row and no store call may follow.
 * Throws what a source throws so that its sender repeats the request.
 */
async function verifiedHints(
  { notificationSources, log }: Services,
  store: string,
  request: ReceivedNotification,
): Promise<{ source: string; hints: readonly ObjectHint[] } | undefined> {
  for (const source of notificationSources(store)) {
    const hints = await source.receive?.(request)
    if (!hints) continue
    const { name } = source
    log('debug', 'a notification was verified', { store, source: name, objects: hints.length })
    return { source: name, hints }
  }
  return undefined
}

/** Answers whether a source of this store has verified the request. Returns when every hint is in the inbox. */
export async function receiveNotification(
  services: Services,
  store: string,
  request: ReceivedNotification,
): Promise<boolean> {
  if (!services.hasStore(store)) return false
  const verified = await verifiedHints(services, store, request)
  for (const hint of verified?.hints ?? []) {
    await receiveHint(services, { store, source: verified!.source, hint })
  }
  return verified !== undefined
}

/** Resolves once the hint is saved; the look at the store goes on in the background. An unknown key leaves nothing. */
export async function receiveHint(
  services: Services,
  { store, source, hint }: { store: string; source: string; hint: ObjectHint },
): Promise<void> {
  const { bucket } = services.storeNamed(store).location
  if (hint.bucket !== undefined && hint.bucket !== bucket) return
  for (const key of hint.keys) {
    const sessions = await findSessions(services, store, key)
    for (const session of sessions) {
      await (hint.kind === 'completed' && mayFinish(session)
        ? saveAndProcess(services, session, source, hint.id)
        : services.uploads.hastenSweep(session, services.clock()))
    }
    if (sessions.length) return
  }
}

async function findSessions(
  { apps, uploads }: Services,
  store: string,
  key: string,
): Promise<UploadSession[]> {
  const appId = await apps.findAppOfKey(key)
  return appId === undefined ? [] : uploads.findByKey(appId, store, key)
}

/**
 * A callback carries our completion token, and a notification does not. So what a client sends whole, and only the backend may
 * complete, is left to the sweep's own rules.
 */
const mayFinish = ({ state, direct, method, policy }: UploadSession): boolean =>
  state !== 'initiating' &&
  (state === 'completing' || direct || method === 'multipart' || policy.completion !== 'backend')

async function saveAndProcess(
  services: Services,
  { appId, id: uploadId, key, store }: UploadSession,
  source: string,
  hintId: string,
): Promise<void> {
  const { callbacks, clock, background, log } = services
  const requestId = `${source}:${hintId}`
  // Some emitters report a wrong size or none, so that only the key is saved.
  const row: CallbackRow = { appId, uploadId, requestId, store, reported: { key }, source }
  const { session, inserted } = await callbacks.insert(row, clock())
  if (!session || !inserted) return
  background(
    processCallback(services, row, session).catch((error: unknown) => {
      const level = isStoreFailure(error) ? 'warn' : 'error'
      log(level, 'a notification is left for the sweep', {
        upload: uploadId,
        error: errorText(error),
      })
    }),
  )
}
