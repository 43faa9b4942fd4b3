// Lists the storage uploads below an App's prefix, once an hour and page by page. Leftovers of our own sessions are aborted.
// Foreign uploads are counted and never touched, unless the operator says that the store is exclusively ours.
import type { ListedUpload } from '../../core/ports/object-store.ts'
import type { StorageScan } from '../../core/ports/scans.ts'
import { hasEnded, isRetained, type UploadSession } from '../../core/upload-session.ts'
import { abortUntilGone } from '../ending/release.ts'
import { add, ageSeconds, countOrphans, type Done } from './counts.ts'
import { failed, isOver, type SweepRun } from './run.ts'

const EVERY_MS = 3600_000
/** When a scan is due again whose sweeper died, or whose store did not answer. */
const AGAIN_MS = 10 * 60_000
const PAGES = 10
/** No living session's storage upload goes unnoticed for so long, and most tools finish theirs sooner. */
const EXCLUSIVE_AFTER_MS = 7 * 24 * 3600_000

export async function scanStorage(run: SweepRun, app: string): Promise<Done> {
  const { scans, clock, hasStore } = run.services
  const now = clock()
  let done: Done = {}
  for (const scan of await scans.claim(app, now, new Date(now.getTime() + AGAIN_MS))) {
    if (!hasStore(scan.store) || run.skipped.has(scan.store)) continue
    done = add(done, await continueScan(run, scan))
  }
  return done
}

/** Lists on from where the last run stopped. */
async function continueScan(run: SweepRun, begun: StorageScan): Promise<Done> {
  const { scans, clock, storeNamed } = run.services
  let scan = begun
  let done: Done = {}
  try {
    const store = storeNamed(scan.store)
    for (let pages = 0; pages < PAGES && !isOver(run); pages++) {
      const { uploads, next } = await store.listUploadsBelow(`${scan.keyPrefix}/`, scan.after)
      const sessions = await findSessions(run, scan, uploads)
      let judged = 0
      while (judged < uploads.length && !isOver(run)) {
        const upload = uploads[judged++]!
        const owner = pickOwner(upload, sessions)
        if (!owner) scan = countForeign(scan, upload)
        const judge = owner ? abortLeftover(run, upload, owner) : judgeForeign(run, scan, upload)
        done = add(done, await judge)
      }
      const isWhole = judged === uploads.length
      if (isWhole && !next) {
        await scans.conclude(scan, clock(), new Date(clock().getTime() + EVERY_MS))
        return done
      }
      scan = { ...scan, after: isWhole ? next : (uploads[judged - 1] ?? scan.after) }
    }
    if (scan.after) await scans.advance(scan, scan.after, clock())
    return done
  } catch (error) {
    return add(done, failed(run, { app: scan.appId, store: scan.store }, error))
  }
}

const SESSION_ID = /upl_[0-9a-f]{32}/g

async function findSessions(
  { services }: SweepRun,
  { appId, store }: StorageScan,
  listed: readonly ListedUpload[],
): Promise<UploadSession[]> {
  if (!listed.length) return []
  const ids = new Set(listed.flatMap(({ key }) => key.match(SESSION_ID) ?? []))
  return services.uploads.findOwners(appId, store, listed, [...ids])
}

/** The living session that records the upload's id, or else any session with its exact key, if that key holds the session's id. */
function pickOwner(
  { key, storageUploadId }: ListedUpload,
  sessions: readonly UploadSession[],
): UploadSession | undefined {
  const ofKey = sessions.filter((session) => session.key === key)
  return (
    ofKey.find((session) => session.storageUploadId === storageUploadId) ??
    ofKey.find(({ id }) => key.includes(id))
  )
}

const countForeign = (scan: StorageScan, { initiatedAt }: ListedUpload): StorageScan => ({
  ...scan,
  foreignSoFar: scan.foreignSoFar + 1,
  oldestSoFar: scan.oldestSoFar && scan.oldestSoFar < initiatedAt ? scan.oldestSoFar : initiatedAt,
})

async function judgeForeign(
  { services }: SweepRun,
  { appId: app, store }: StorageScan,
  upload: ListedUpload,
): Promise<Done> {
  const now = services.clock()
  const seen: Done = { foreign: 1, oldestForeignSeconds: ageSeconds(upload, now) }
  const isOld = now.getTime() - upload.initiatedAt.getTime() > EXCLUSIVE_AFTER_MS
  if (!services.storeNamed(store).exclusive || !isOld) return seen
  const { key } = upload
  services.log('info', 'an unknown storage upload in an exclusive store is aborted', {
    app,
    store,
    key,
  })
  const isGone = await abortUntilGone(services, store, upload)
  return { ...seen, foreignAborted: isGone ? 1 : 0 }
}

/** Aborts an upload that arrived after its session ended, and after the look that released its storage. */
async function abortLeftover(
  { services }: SweepRun,
  upload: ListedUpload,
  owner: UploadSession,
): Promise<Done> {
  const isRecorded = owner.storageUploadId === upload.storageUploadId
  // A session that is not released yet has its own turn.
  const isLeft = hasEnded(owner.state) && !(isRecorded && !owner.storageReleasedAt)
  if (!isLeft || isRetained(owner)) return {}
  await abortUntilGone(services, owner.store, upload)
  return countOrphans([upload], services.clock())
}
