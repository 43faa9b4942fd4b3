// The common part of the processing targets. They call only the upload's own store, process only the session's own object, never
// overwrite an upload, and end in one event.
import { processingEvent } from '../../core/event.ts'
import { isRecorded, withEtag } from '../../core/own-object.ts'
import type { Delivery, Progress } from '../../core/ports/deliveries.ts'
import type { ObjectStore, StoreProcessing } from '../../core/ports/object-store.ts'
import type { Services } from '../../core/ports/services.ts'
import { isStoreFailure } from '../../core/ports/store-failure.ts'
import {
  PROCESSING_SECONDS,
  type ProcessingTarget,
  type ProcessingTask,
} from '../../core/processing.ts'
import type { StoredObject } from '../../core/stored.ts'
import type { UploadSession } from '../../core/upload-session.ts'
import type { FinalOutcome, Outcome, Target } from './target.ts'

interface Begun {
  now: Date
  /** The object under the result's key before the attempt. */
  before: (StoredObject & { etag: string }) | undefined
}

export interface Work<Type extends ProcessingTarget['type']> extends Begun {
  store: ObjectStore
  process: StoreProcessing
  /** The key of the upload. */
  source: string
  /** Where the result is saved. */
  saveAs: string
  target: Extract<ProcessingTarget, { type: Type }>
}

type Start<Type extends ProcessingTarget['type']> = (work: Work<Type>) => Promise<Outcome>
type Look = (store: ObjectStore, key: string, progress: Progress) => Promise<Outcome>

const NOT_ALLOWED =
  'The store’s key may not do this: "countersign bucket check --ram --processing" prints what it needs.'

/** Advice for the codes that an App's developer can act on. */
const ADVICE: Record<string, string> = {
  AccessDenied: NOT_ALLOWED,
  'Forbidden.RAM': NOT_ALLOWED,
  NoPermission: NOT_ALLOWED,
  NotImplemented:
    'This store does not process: the embedded store never does. Use a bucket of Alibaba Cloud OSS.',
  'InvalidAction.NotFound':
    'Media Processing is not offered there: the embedded store has none. See STORE_MPS_ENDPOINT.',
  'not-offered': 'This kind of store does not process.',
  'key-taken': 'An upload stands under the key of the result, and is not written over.',
  'source-changed': 'The object is no longer the one that was uploaded.',
}

export function processing<Type extends ProcessingTarget['type']>(
  start: Start<Type>,
  look?: Look,
): Target {
  return {
    async attempt(services, delivery) {
      const session = await services.uploads.find(delivery.appId, delivery.uploadId)
      if (!session) return refused('upload-gone', 'The upload is no longer known.')
      try {
        const work = await prepare<Type>(services, session, taskOf(delivery))
        return 'kind' in work ? work : await start(work)
      } catch (error) {
        return failed(error)
      }
    },

    ...(look && {
      async poll({ uploads, hasStore, storeNamed }, delivery) {
        const session = await uploads.find(delivery.appId, delivery.uploadId)
        if (!session) return refused('upload-gone', 'The upload is no longer known.')
        if (!hasStore(session.store)) return { kind: 'unclear', reason: 'store-not-configured' }
        try {
          return await look(storeNamed(session.store), taskOf(delivery).key, delivery.progress!)
        } catch (error) {
          return failed(error)
        }
      },
    }),

    buildEvent,
  }
}

const taskOf = ({ body }: Delivery) => JSON.parse(body) as ProcessingTask // We wrote it when the upload was created.

/** Returns the outcome if the attempt cannot begin. Throws StoreFailure. */
async function prepare<Type extends ProcessingTarget['type']>(
  { hasStore, storeNamed, clock }: Services,
  session: UploadSession,
  { key: saveAs, target }: ProcessingTask,
): Promise<Work<Type> | Outcome> {
  if (!hasStore(session.store)) return { kind: 'unclear', reason: 'store-not-configured' }
  const store = storeNamed(session.store)
  const { process } = store
  if (!process) return refused('not-offered')
  const [source, before] = await Promise.all([store.head(session.key), store.head(saveAs)])
  if (!isRecorded(session, source)) return refused('source-changed')
  // Another session's stamp marks an upload. Our own may be on a result, if the store copied it from the source.
  if (before?.uploadId !== undefined && before.uploadId !== session.id) return refused('key-taken')
  return {
    store,
    process,
    source: session.key,
    saveAs,
    target: target as Work<Type>['target'], // TARGETS chose this row by the target's type.
    before: before && withEtag(before), // Its ETag distinguishes it from the result.
    now: clock(),
  }
}

async function buildEvent(
  { uploads, newId, clock }: Services,
  delivery: Delivery,
  outcome: FinalOutcome,
) {
  const session = await uploads.find(delivery.appId, delivery.uploadId)
  if (!session) return undefined
  const task = taskOf(delivery)
  const result =
    outcome.kind === 'done'
      ? { object: outcome.object ?? { key: task.key } }
      : { reason: outcome.reason, detail: outcome.detail }
  const about = { id: delivery.id, task, taskId: delivery.progress?.taskId }
  return processingEvent(newId('evt'), clock(), session, about, result)
}

/** A definite refusal ends the delivery with the store's code. Anything else may have succeeded and is tried again. */
function failed(error: unknown): Outcome {
  if (!isStoreFailure(error)) throw error
  const { kind, message } = error
  const status = error.status || undefined
  const reason = error.code.slice(0, 100)
  if (kind === 'ambiguous') return { kind: 'unclear', status, reason }
  return refused(reason, `${message}.`, status)
}

export const refused = (reason: string, message = reason, status?: number): Outcome => ({
  kind: 'refused',
  status,
  reason,
  detail: ADVICE[reason] ?? message,
})

/** The store accepted the task. It is polled for at most as long as the rule says. */
export function running(
  { now, before }: Begun,
  taskId: string,
  maxSeconds = PROCESSING_SECONDS,
): Outcome {
  const until = new Date(now.getTime() + maxSeconds * 1000)
  const progress: Progress = { taskId, since: now.toISOString(), until: until.toISOString() }
  if (before) {
    const { etag, lastModified } = before
    progress.before = { etag, lastModified: lastModified?.toISOString() }
  }
  return { kind: 'running', status: 200, progress }
}

/** Done, with the object as the store shows it. */
export const saved = ({ key, sizeBytes, etag, contentType }: StoredObject): Outcome => ({
  kind: 'done',
  status: 200,
  object: { key, sizeBytes, etag, contentType },
})
