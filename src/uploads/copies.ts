// Delta uploads: the store copies ranges of an earlier object of the same owner into parts. OSS copies the whole object if a
// range is invalid, so ranges are computed here and the copied parts are checked.
import { isRecorded } from '../core/own-object.ts'
import { type Part, type PartPlan, partSizeAt, partsAt } from '../core/part-plan.ts'
import type { CopySource, ObjectStore } from '../core/ports/object-store.ts'
import type { Services } from '../core/ports/services.ts'
import { isStoreFailure, type StoreFailure } from '../core/ports/store-failure.ts'
import type { Principal } from '../core/principal.ts'
import { invalidField, Problem } from '../core/problem.ts'
import { mayCopyFrom } from '../core/reach.ts'
import type { StoredUpload } from '../core/stored.ts'
import type { CompletedObject, UploadSession } from '../core/upload-session.ts'
import { findUpload } from './find.ts'
import { refusal, requireOpen } from './problems.ts'

const CONCURRENCY = 5
/** No copy begins later. The answer names the copied parts, and the client asks for the rest. */
const BEGIN_WITHIN_MS = 20_000

export type CopyPair = readonly [sourcePart: number, partNumber: number]

export interface Copied {
  copied: number[]
  storedParts: { count: number; bytes: number }
}

interface Copy extends Part {
  source: CopySource
}

const noSource = () =>
  new Problem('upload-not-found', {
    detail: 'The source is no upload of the same owner. Check its id and whose it is.',
  })

/**
 * Throws `forbidden`, `upload-not-found`, `upload-not-open`, `upload-expired`, `part-out-of-range` and `parts-mismatch`
 * without asking the store, `object-mismatch` if the source has changed, `storage-upload-lost` if a GET has to heal.
 */
export async function copyParts(
  services: Services,
  principal: Principal,
  targetId: string,
  sourceId: string,
  pairs: readonly CopyPair[],
): Promise<Copied> {
  const target = await findUpload(services, principal, targetId)
  const source = await findSource(services, principal, sourceId)
  const store = services.storeNamed(target.store)
  const upload = checkTarget(services, store, target)
  const object = checkSource(target, source)
  const copies = planCopies(target.plan, source!.plan, object, pairs)
  try {
    await checkObject(store, source!)
    const copied = await copyAll(services, store, upload, copies)
    return await checkCopied(store, upload, copied)
  } catch (failure) {
    throw isStoreFailure(failure) ? copyProblem(failure) : failure
  }
}

async function findSource({ uploads, clock }: Services, principal: Principal, id: string) {
  const source = await uploads.find(principal.appId, id)
  return source && mayCopyFrom(principal, source, clock()) ? source : undefined
}

function checkTarget({ clock }: Services, store: ObjectStore, target: UploadSession): StoredUpload {
  if (!store.copyPart || target.policy.delta !== true) {
    throw new Problem('forbidden', {
      detail: store.copyPart
        ? 'The policy does not say "delta": true. Upload the parts instead.'
        : 'This store does not copy parts. Upload them instead.',
    })
  }
  requireOpen(target, clock())
  if (target.method !== 'multipart' || target.storageUploadId === undefined) {
    throw new Problem('forbidden', {
      detail: `Parts are copied into multipart uploads; this one is "${target.method}". Send the file.`,
    })
  }
  return { key: target.key, storageUploadId: target.storageUploadId }
}

function checkSource(target: UploadSession, source: UploadSession | undefined): CompletedObject {
  if (source?.appId !== target.appId || source.subject !== target.subject) throw noSource()
  if (source.state !== 'completed' || !source.object) {
    throw new Problem('upload-not-open', {
      detail: `The source has no object: the upload is ${source.state}. Upload the parts instead.`,
      members: { state: source.state },
    })
  }
  if (source.store !== target.store) {
    throw invalidField('/source', 'is in another store: upload the parts instead')
  }
  return source.object
}

/** Every range lies within the object and is as long as its part. */
function planCopies(
  plan: PartPlan,
  sourcePlan: PartPlan,
  { key, etag, sizeBytes }: CompletedObject,
  pairs: readonly CopyPair[],
): Copy[] {
  const { partSizeBytes } = sourcePlan
  const partCount = Math.ceil(sizeBytes / partSizeBytes)
  const beyond = pairs.map(([sourcePart]) => sourcePart).filter((number) => number > partCount)
  if (beyond.length) {
    throw new Problem('part-out-of-range', {
      detail: `The source has ${partCount} parts. Upload the others instead.`,
      members: { sourceParts: beyond, lastSourcePart: partCount },
    })
  }
  partsAt(
    plan,
    pairs.map(([, partNumber]) => partNumber),
  )
  const copies = pairs.map(([sourcePart, partNumber]): Copy => {
    const first = (sourcePart - 1) * partSizeBytes
    const length = partSizeAt({ sizeBytes, partSizeBytes, partCount }, sourcePart)
    return {
      partNumber,
      sizeBytes: length,
      source: { key, etag, first, last: first + length - 1 },
    }
  })
  const wrongSize = copies.filter((copy) => copy.sizeBytes !== partSizeAt(plan, copy.partNumber))
  if (wrongSize.length === 0) return copies
  throw wrongSizes(wrongSize, 'These parts of the source are not as long as what they would become')
}

const wrongSizes = (parts: readonly Part[], what: string, members: Record<string, unknown> = {}) =>
  new Problem('parts-mismatch', {
    detail: `${what}. Upload the named parts instead.`,
    members: {
      wrongSize: parts.map(({ partNumber, sizeBytes }) => ({ partNumber, sizeBytes })),
      ...members,
    },
  })

/** Throws unless the object is still the one that the source's session made. */
async function checkObject(store: ObjectStore, source: UploadSession): Promise<void> {
  if (!isRecorded(source, await store.head(source.key))) throw sourceChanged()
}

const sourceChanged = (cause?: StoreFailure) =>
  new Problem('object-mismatch', {
    detail: 'The source’s object is gone or was replaced. Upload the parts instead.',
    cause,
  })

/** Answers the copies that the store confirmed. Throws the first failure if there are none. */
async function copyAll(
  { clock }: Services,
  store: ObjectStore,
  upload: StoredUpload,
  copies: readonly Copy[],
): Promise<Copy[]> {
  const until = clock().getTime() + BEGIN_WITHIN_MS
  const waiting = [...copies]
  const copied: Copy[] = []
  let failed: { failure: unknown } | undefined
  async function work() {
    while (!failed && clock().getTime() < until) {
      const copy = waiting.shift()
      if (!copy) return
      try {
        await store.copyPart!(upload, copy.partNumber, copy.source)
        copied.push(copy)
      } catch (failure) {
        failed ??= { failure }
      }
    }
  }
  await Promise.all(Array.from({ length: CONCURRENCY }, work))
  if (!failed) return copied
  // A lost storage upload took the copied parts with it. Any other failure concerns single parts.
  const partial = isStoreFailure(failed.failure) && failed.failure.kind !== 'no-upload'
  if (partial && copied.length > 0) return copied
  throw failed.failure
}

/** Keeps the copies that the store lists. Throws if a listed part is not as long as planned. */
async function checkCopied(
  store: ObjectStore,
  upload: StoredUpload,
  copies: readonly Copy[],
): Promise<Copied> {
  const sizes = new Map<number, number>()
  let bytes = 0
  for await (const page of store.listParts(upload)) {
    for (const { partNumber, sizeBytes } of page) {
      sizes.set(partNumber, sizeBytes)
      bytes += sizeBytes
    }
  }
  const listed = copies.filter(({ partNumber }) => sizes.has(partNumber))
  const wrong = listed.filter(({ partNumber, sizeBytes }) => sizes.get(partNumber) !== sizeBytes)
  const copied = listed
    .filter((copy) => !wrong.includes(copy))
    .map(({ partNumber }) => partNumber)
    .sort((a, b) => a - b)
  const storedParts = { count: sizes.size, bytes }
  if (wrong.length === 0) return { copied, storedParts }
  throw wrongSizes(
    wrong.map(({ partNumber }) => ({ partNumber, sizeBytes: sizes.get(partNumber)! })),
    'The store copied something else into these parts',
    { copied, storedParts },
  )
}

const copyProblem = (failure: StoreFailure): Problem =>
  failure.kind === 'no-object' ? sourceChanged(failure) : refusal(failure)
