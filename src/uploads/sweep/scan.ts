// Lists the storage uploads below an App's prefix, once an hour and page by page: what is left of our own sessions is
// aborted; what is not ours is counted and never touched, unless the operator says that the store is exclusively ours.
import type { ListedUpload } from '../../core/ports/object-store.ts'
import type { StorageScan } from '../../core/ports/scans.ts'
import { hasEnded, isRetained, type UploadSession } from '../../core/upload-session.ts'
import { abortUntilGone } from '../ending/release.ts'
import { countOrphans, guarded, isOver, type SweepRun, secondsSince } from './run.ts'

const EVERY_MS = 3600_000
/** A listing whose sweeper died, or whose store did not answer, comes again. */
const AGAIN_MS = 10 * 60_000
const PAGES = 10
/** Longer than any living session's storage upload may go unnoticed, and than most tools take. */
const EXCLUSIVE_AFTER_MS = 7 * 24 * 3600_000

export async function scanStorage(run: SweepRun, app: string): Promise<void> {
  const { scans, clock, hasStore } = run.services
  const now = clock()
  for (const scan of await scans.claim(app, now, new Date(now.getTime() + AGAIN_MS))) {
    const { store } = scan
    if (!hasStore(store) || run.down.has(store)) continue
    await guarded(run, { app, store }, () => listOn(run, scan))
  }
}

/** Throws StoreFailure. */
async function listOn(run: SweepRun, begun: StorageScan): Promise<void> {
  const { scans, clock, storeNamed } = run.services
  const store = storeNamed(begun.store)
  const prefix = `${begun.keyPrefix}/`
  let scan = begun
  for (let pages = 0; pages < PAGES && !isOver(run); pages++) {
    const { uploads, next } = await store.listUploadsBelow(prefix, scan.after)
    const { judged, ...seen } = await judge(run, scan, uploads)
    const isWhole = judged === uploads.length
    scan = { ...scan, ...seen, after: isWhole ? next : (uploads[judged - 1] ?? scan.after) }
    if (!isWhole || next) continue
    return scans.conclude(scan, clock(), new Date(clock().getTime() + EVERY_MS))
  }
  if (scan.after) await scans.advance(scan, scan.after, clock())
}

const SESSION_ID = /upl_[0-9a-f]{32}/g

/**
 * Whose a storage upload is: a living session's by the id in its row; any of our sessions' by the exact key of its row,
 * where that key holds the session's id; else nobody's that we know.
 */
function ownerOf(
  { key, storageUploadId }: ListedUpload,
  sessions: readonly UploadSession[],
): UploadSession | undefined {
  return (
    sessions.find(
      (session) => session.storageUploadId === storageUploadId && session.key === key,
    ) ?? sessions.find((session) => session.key === key && key.includes(session.id))
  )
}

/** What of a page could be judged before the run is over, and what was seen of foreign uploads so far. */
async function judge(
  run: SweepRun,
  scan: StorageScan,
  listed: readonly ListedUpload[],
): Promise<Pick<StorageScan, 'foreignSoFar' | 'oldestSoFar'> & { judged: number }> {
  const { uploads, storeNamed, clock } = run.services
  let { foreignSoFar, oldestSoFar } = scan
  if (!listed.length) return { foreignSoFar, oldestSoFar, judged: 0 }
  const ids = listed.flatMap(({ key }) => key.match(SESSION_ID) ?? [])
  const sessions = await uploads.findOwners(scan.appId, scan.store, listed, [...new Set(ids)])
  const { exclusive } = storeNamed(scan.store)
  const before = clock().getTime() - EXCLUSIVE_AFTER_MS
  let judged = 0
  for (const upload of listed) {
    if (isOver(run)) break
    judged++
    const owner = ownerOf(upload, sessions)
    if (owner) {
      await abortLeft(run, upload, owner)
      continue
    }
    run.counts.foreign++
    foreignSoFar++
    oldestSoFar = earlier(oldestSoFar, upload.initiatedAt)
    const age = secondsSince(run, upload.initiatedAt)
    run.counts.oldestForeignSeconds = Math.max(run.counts.oldestForeignSeconds, age)
    if (!exclusive || upload.initiatedAt.getTime() >= before) continue
    run.services.log('info', 'an unknown storage upload in an exclusive store is aborted', {
      app: scan.appId,
      store: scan.store,
      key: upload.key,
    })
    if (await abortUntilGone(run.services, scan.store, upload)) run.counts.foreignAborted++
  }
  return { foreignSoFar, oldestSoFar, judged }
}

const earlier = (a: Date | undefined, b: Date): Date => (a && a < b ? a : b)

/** What came after its session's end, and after the look that settled it. */
async function abortLeft(run: SweepRun, upload: ListedUpload, owner: UploadSession): Promise<void> {
  const isRecorded = owner.storageUploadId === upload.storageUploadId
  // A session that is not released yet has its own turn.
  if (!hasEnded(owner.state) || (isRecorded && !owner.storageReleasedAt)) return
  if (isRetained(owner)) return
  countOrphans(run, [upload])
  await abortUntilGone(run.services, owner.store, upload)
}
