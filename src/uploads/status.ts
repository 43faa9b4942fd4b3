// What is stored and what is missing. A storage upload that the store has lost is looked into: finished, or healed.
import { missingParts, type PartPlan } from '../core/part-plan.ts'
import type { Services } from '../core/ports/services.ts'
import { ignoreStoreFailure, isStoreFailure } from '../core/ports/store-failure.ts'
import { Problem } from '../core/problem.ts'
import type { StoredPart } from '../core/stored.ts'
import {
  attemptIsRecent,
  MAX_GENERATIONS,
  objectSpec,
  type UploadSession,
} from '../core/upload-session.ts'
import { endSession } from './ending/end.ts'
import { failMismatch, finish } from './ending/finish.ts'
import { lookForObject } from './ending/own-object.ts'
import { abortUntilGone } from './ending/release.ts'
import { notOpen, refusal } from './problems.ts'

export type StatusServices = Pick<
  Services,
  'uploads' | 'clock' | 'newId' | 'nudgeDeliveries' | 'storeNamed' | 'budget' | 'log'
>

export interface PartPage {
  after: number
  limit: number
}

export interface UploadStatus {
  session: UploadSession
  storedParts: { count: number; bytes: number }
  missing: Array<[from: number, to: number | null]>
  /** One page of parts, where asked for. */
  parts?: StoredPart[]
  nextPart?: number
  healed: boolean
}

const without = (session: UploadSession, healed = false): UploadStatus => ({
  session,
  storedParts: { count: 0, bytes: 0 },
  missing: session.state === 'open' ? missingParts(session.plan, []) : [],
  healed,
})

const completed = (session: UploadSession): UploadStatus => ({
  session,
  storedParts: { count: partCountOf(session.plan, session), bytes: session.object?.sizeBytes ?? 0 },
  missing: [],
  healed: false,
})

const partCountOf = (plan: PartPlan, { object }: UploadSession): number =>
  plan.partCount ?? Math.ceil((object?.sizeBytes ?? 0) / plan.partSizeBytes)

/** Throws `upload-completing` while a lost storage upload must not be re-created yet. */
export async function uploadStatus(
  services: StatusServices,
  session: UploadSession,
  page?: PartPage,
): Promise<UploadStatus> {
  if (session.state === 'completed') return completed(session)
  if (session.state !== 'open' && session.state !== 'completing') return without(session)
  try {
    return await storedStatus(services, session, page)
  } catch (failure) {
    throw isStoreFailure(failure) ? refusal(failure) : failure
  }
}

/** Throws StoreFailure. */
async function storedStatus(
  services: StatusServices,
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
  { storeNamed }: StatusServices,
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

async function singleStatus(
  services: StatusServices,
  session: UploadSession,
): Promise<UploadStatus> {
  const presence = await lookForObject(services, session)
  if (presence.kind !== 'own') return without(session)
  const { sizeBytes } = presence.object
  return { ...without(session), storedParts: { count: 1, bytes: sizeBytes }, missing: [] }
}

/** HEAD first: what is lost may have been completed. Only then is a new storage upload begun behind the same session. */
async function lost(services: StatusServices, session: UploadSession): Promise<UploadStatus> {
  const presence = await lookForObject(services, session)
  if (presence.kind === 'own') {
    const finished = await finish(services, session, presence.object)
    return finished.state === 'completed' ? completed(finished) : without(finished)
  }
  if (presence.kind === 'mismatch') {
    return without(await failMismatch(services, session, presence.object))
  }
  const now = services.clock()
  if (session.state === 'completing') return without(session)
  if (attemptIsRecent(session, now)) throw notOpen(session, now)
  if (session.expiresAt <= now) {
    throw new Problem('upload-expired', { detail: 'The upload has expired. Create a new one.' })
  }
  if (session.generation >= MAX_GENERATIONS) return without(await giveUp(services, session))
  return heal(services, session)
}

async function heal(services: StatusServices, session: UploadSession): Promise<UploadStatus> {
  const { uploads, storeNamed, clock, log } = services
  if (!(await uploads.beginHeal(session, clock()))) return current(services, session)
  const store = storeNamed(session.store)
  const storageUploadId = await store.initiate(objectSpec(session))
  const healed = await uploads.heal(session, storageUploadId, clock())
  if (healed) {
    log('info', 'a lost storage upload was begun anew', {
      upload: session.id,
      generation: healed.generation,
    })
    return without(healed, true)
  }
  // Another request was faster: what it made is the session's, what we made goes.
  await abortUntilGone(services, session.store, { key: session.key, storageUploadId }).catch(
    ignoreStoreFailure,
  )
  return current(services, session)
}

const current = async ({ uploads }: StatusServices, session: UploadSession) =>
  without((await uploads.find(session.appId, session.id)) ?? session)

async function giveUp(services: StatusServices, session: UploadSession): Promise<UploadSession> {
  const failed = await endSession(services, session, 'failed', {
    failure: 'storage-upload-lost',
    from: ['open'],
  })
  return failed ?? (await services.uploads.find(session.appId, session.id)) ?? session
}
