// Reports which parts are stored and which are missing. A session whose storage upload is gone is finished or healed.
import { missingParts } from '../core/part-plan.ts'
import type { Services } from '../core/ports/services.ts'
import { ignoreStoreFailure, isStoreFailure } from '../core/ports/store-failure.ts'
import type { StoredPart } from '../core/stored.ts'
import {
  attemptIsRecent,
  MAX_GENERATIONS,
  objectSpec,
  type UploadSession,
} from '../core/upload-session.ts'
import { currentSession, endSession } from './ending/end.ts'
import { failMismatch, finish } from './ending/finish.ts'
import { checkObject } from './ending/own-object.ts'
import { abortUntilGone } from './ending/release.ts'
import { notOpen, throwRefusal, uploadExpired } from './problems.ts'

interface PartPage {
  after: number
  limit: number
}

export interface UploadStatus {
  session: UploadSession
  storedParts: { count: number; bytes: number }
  missing: Array<[from: number, to: number | null]>
  /** One page of parts, if the caller asked for one. */
  parts?: StoredPart[]
  nextPart?: number
  healed: boolean
}

const storedNothing = (session: UploadSession, healed = false): UploadStatus => ({
  session,
  storedParts: { count: 0, bytes: 0 },
  missing: session.state === 'open' ? missingParts(session.plan, []) : [],
  healed,
})

function completed(session: UploadSession): UploadStatus {
  const { plan, object } = session
  const bytes = object?.sizeBytes ?? 0
  const count = plan.partCount ?? Math.ceil(bytes / plan.partSizeBytes)
  return { session, storedParts: { count, bytes }, missing: [], healed: false }
}

/** Throws `upload-completing` while a lost storage upload must not be begun anew yet. */
export async function uploadStatus(
  services: Services,
  session: UploadSession,
  page?: PartPage,
): Promise<UploadStatus> {
  if (session.state === 'completed') return completed(session)
  if (session.state !== 'open' && session.state !== 'completing') return storedNothing(session)
  return storedStatus(services, session, page).catch(throwRefusal)
}

/** Throws StoreFailure. */
async function storedStatus(
  services: Services,
  session: UploadSession,
  page: PartPage | undefined,
): Promise<UploadStatus> {
  try {
    return session.storageUploadId
      ? await listed(services, session, page)
      : await singleStatus(services, session)
  } catch (failure) {
    if (isStoreFailure(failure, 'no-upload')) return lost(services, session)
    throw failure
  }
}

async function listed(
  { storeNamed }: Services,
  session: UploadSession,
  page: PartPage | undefined,
): Promise<UploadStatus> {
  const upload = { key: session.key, storageUploadId: session.storageUploadId! }
  const numbers: number[] = []
  const parts: StoredPart[] = []
  let bytes = 0
  let more = false
  for await (const batch of storeNamed(session.store).listParts(upload)) {
    for (const part of batch) {
      numbers.push(part.partNumber)
      bytes += part.sizeBytes
      if (!page || part.partNumber <= page.after) continue
      if (parts.length < page.limit) parts.push(part)
      else more = true
    }
  }
  return {
    session,
    storedParts: { count: numbers.length, bytes },
    missing: missingParts(session.plan, numbers),
    ...(page ? { parts, nextPart: more ? parts.at(-1)?.partNumber : undefined } : {}),
    healed: false,
  }
}

async function singleStatus(services: Services, session: UploadSession): Promise<UploadStatus> {
  const check = await checkObject(services, session)
  if (check.kind !== 'own') return storedNothing(session)
  const { sizeBytes } = check.object
  return { ...storedNothing(session), storedParts: { count: 1, bytes: sizeBytes }, missing: [] }
}

/** The storage upload is gone. It may have been completed, so HEAD comes before another one is begun. */
async function lost(services: Services, session: UploadSession): Promise<UploadStatus> {
  const check = await checkObject(services, session)
  if (check.kind === 'own') {
    const finished = await finish(services, session, check.object)
    return finished.state === 'completed' ? completed(finished) : storedNothing(finished)
  }
  if (check.kind === 'mismatch') {
    return storedNothing(await failMismatch(services, session, check.object))
  }
  const now = services.clock()
  if (session.state === 'completing') return storedNothing(session)
  if (attemptIsRecent(session, now)) throw notOpen(session, now)
  if (session.expiresAt <= now) {
    throw uploadExpired()
  }
  if (session.generation >= MAX_GENERATIONS) return storedNothing(await giveUp(services, session))
  return heal(services, session)
}

async function heal(services: Services, session: UploadSession): Promise<UploadStatus> {
  const { uploads, storeNamed, clock, log } = services
  if (!(await uploads.beginHeal(session, clock()))) return currentStatus(services, session)
  const store = storeNamed(session.store)
  const storageUploadId = await store.initiate(objectSpec(session))
  const healed = await uploads.heal(session, storageUploadId, clock())
  if (healed) {
    log('info', 'a lost storage upload was begun anew', {
      upload: session.id,
      generation: healed.generation,
    })
    return storedNothing(healed, true)
  }
  // Another request was faster, so this storage upload belongs to no session.
  await abortUntilGone(services, session.store, { key: session.key, storageUploadId }).catch(
    ignoreStoreFailure,
  )
  return currentStatus(services, session)
}

const currentStatus = async (services: Services, session: UploadSession) =>
  storedNothing(await currentSession(services, session))

async function giveUp(services: Services, session: UploadSession): Promise<UploadSession> {
  const failed = await endSession(services, session, 'failed', {
    failure: 'storage-upload-lost',
    from: ['open'],
  })
  return failed ?? currentSession(services, session)
}
