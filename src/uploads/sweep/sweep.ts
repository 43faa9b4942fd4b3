// Scheduled reconciliation: inbox leftovers, then sessions stuck, idle, ended or not released, then what else lies in the
// store. Bounded, oldest first, App by App in turn, and harmless when two run at once: every change is guarded.
import { errorText } from '../../core/error-text.ts'
import type { UploadSession } from '../../core/upload-session.ts'
import { sweepInbox } from './inbox.ts'
import {
  beginRun,
  guarded,
  isOver,
  type SweepCounts,
  type SweepRun,
  type SweepServices,
  worthClaiming,
} from './run.ts'
import { scanStorage } from './scan.ts'
import { sweepSession } from './session.ts'

export type { SweepCounts, SweepServices } from './run.ts'

/** A run ends before the next minute's begins. What is not reached stays due, and oldest. */
const RUN_MS = 50_000
/** A session that was claimed and not settled comes again after this long. */
const AGAIN_MS = 60_000
/** A store that is not configured may be again, but not by the minute. */
const NO_STORE_MS = 15 * 60_000
/** Apps are asked in turn, so many sessions of each at a time. */
const BATCH = 25
const ROUNDS = 40

export async function sweep(services: SweepServices): Promise<SweepCounts> {
  const run = beginRun(services, RUN_MS)
  const apps = await services.uploads.appsWithDueWork(services.clock())
  // Where requests are bounded, half of them is for the sessions, however many apps have something to do.
  const kept = services.budget.left / 2
  for (const app of apps) {
    if (services.budget.left < kept) break
    await ofApp(run, app, async () => {
      await sweepInbox(run, app)
      const { uploads, clock } = services
      await uploads.forgetIdempotencyKeys(app, clock())
    })
  }
  let due = apps
  for (let round = 0; due.length && round < ROUNDS; round++) {
    const left: string[] = []
    for (const app of due) {
      await ofApp(run, app, async () => {
        if (await sweepBatch(run, app)) left.push(app)
      })
    }
    due = left
  }
  for (const app of apps) await ofApp(run, app, () => scanStorage(run, app))
  const { counts } = run
  if (Object.values(counts).some((count) => count > 0)) services.log('info', 'swept', { ...counts })
  return counts
}

/** One App whose rows cannot be read must not keep the others from their turn. */
async function ofApp(run: SweepRun, app: string, work: () => Promise<void>): Promise<void> {
  if (isOver(run)) return
  try {
    await work()
  } catch (error) {
    run.counts.unanswered++
    run.services.log('error', 'the sweep failed for an app', { app, reason: errorText(error) })
  }
}

/** Stores are worked on side by side: one that keeps us waiting takes no time from the others. True: there may be more. */
async function sweepBatch(run: SweepRun, app: string): Promise<boolean> {
  const { uploads, clock } = run.services
  const now = clock()
  const again = new Date(now.getTime() + AGAIN_MS)
  const most = worthClaiming(run, BATCH)
  const claimed = await uploads.claimDue(app, now, again, most)
  const byStore = new Map<string, UploadSession[]>()
  for (const session of claimed) {
    byStore.set(session.store, [...(byStore.get(session.store) ?? []), session])
  }
  await Promise.all([...byStore].map(([store, sessions]) => sweepOfStore(run, store, sessions)))
  return claimed.length === most
}

async function sweepOfStore(
  run: SweepRun,
  store: string,
  sessions: readonly UploadSession[],
): Promise<void> {
  const { services, counts, down } = run
  const { uploads, clock, hasStore } = services
  for (const session of sessions) {
    if (isOver(run)) return
    if (!hasStore(store)) {
      await uploads.scheduleSweep(session, new Date(clock().getTime() + NO_STORE_MS))
      continue
    }
    if (down.has(store)) continue
    counts.looked++
    await guarded(run, { app: session.appId, upload: session.id, store }, () =>
      sweepSession(run, session),
    )
  }
}
