// Scheduled reconciliation in three steps: unprocessed callbacks, due sessions, then storage uploads that no session names.
// Bounded, oldest first, App by App in turn. Two runs at once are harmless, because every change is guarded.
import { errorText } from '../../core/error-text.ts'
import type { Services } from '../../core/ports/services.ts'
import type { UploadSession } from '../../core/upload-session.ts'
import { add, type Done, type SweepCounts } from './counts.ts'
import { sweepInbox } from './inbox.ts'
import { affordableLooks, isOver, look, type SweepRun } from './run.ts'
import { scanStorage } from './scan.ts'
import { sweepSession } from './session.ts'

export type { SweepCounts } from './counts.ts'

/** A run ends before the next minute's begins. Work that it does not reach stays due. */
const RUN_MS = 50_000
/** When a claimed session is due again, unless its look says otherwise. */
const AGAIN_MS = 60_000
/** When a session is due again whose store is not configured. */
const NO_STORE_MS = 15 * 60_000
/** Sessions of one App at a time, and how often each App has its turn. */
const BATCH = 25
const ROUNDS = 40

export async function sweep(services: Services): Promise<SweepCounts> {
  const endsAt = services.clock().getTime() + RUN_MS
  const run: SweepRun = { services, endsAt, skipped: new Set() }
  const apps = await services.uploads.appsWithDueWork(services.clock())
  // A bounded budget leaves half of itself for the sessions, however many Apps have callbacks.
  const callbacks = await sweepInboxes(run, apps, services.budget.left / 2)
  const sessions = await sweepSessions(run, apps)
  const scans = await inTurn(run, apps, (app) => scanStorage(run, app))
  const counts = add(callbacks, sessions, scans)
  if (Object.values(counts).some((count) => count > 0)) services.log('info', 'swept', { ...counts })
  return counts
}

function sweepInboxes(run: SweepRun, apps: readonly string[], reserve: number): Promise<Done> {
  const { uploads, clock, budget } = run.services
  return inTurn(run, apps, async (app) => {
    if (budget.left < reserve) return {}
    const done = await sweepInbox(run, app)
    await uploads.forgetIdempotencyKeys(app, clock())
    return done
  })
}

async function sweepSessions(run: SweepRun, apps: readonly string[]): Promise<Done> {
  let done: Done = {}
  let due = apps
  for (let round = 0; due.length && round < ROUNDS; round++) {
    const left: string[] = []
    const batches = await inTurn(run, due, async (app) => {
      const batch = await sweepBatch(run, app)
      if (batch.isMore) left.push(app)
      return batch.done
    })
    done = add(done, batches)
    due = left
  }
  return done
}

/** Does the same for each App. One that fails does not keep the others from their turn. */
async function inTurn(
  run: SweepRun,
  apps: readonly string[],
  work: (app: string) => Promise<Done>,
): Promise<Done> {
  let done: Done = {}
  for (const app of apps) {
    if (isOver(run)) break
    try {
      done = add(done, await work(app))
    } catch (error) {
      done = add(done, { unanswered: 1 })
      run.services.log('error', 'the sweep failed for an app', { app, reason: errorText(error) })
    }
  }
  return done
}

/** Stores are worked on side by side, so that a slow one takes no time from the others. */
async function sweepBatch(run: SweepRun, app: string): Promise<{ done: Done; isMore: boolean }> {
  const { uploads, clock } = run.services
  const now = clock()
  const limit = affordableLooks(run, BATCH)
  const claimed = await uploads.claimDue(app, now, new Date(now.getTime() + AGAIN_MS), limit)
  const byStore = new Map<string, UploadSession[]>()
  for (const session of claimed) {
    byStore.set(session.store, [...(byStore.get(session.store) ?? []), session])
  }
  const done = await Promise.all(
    [...byStore].map(([store, sessions]) => sweepOfStore(run, store, sessions)),
  )
  return { done: add(...done), isMore: claimed.length === limit }
}

async function sweepOfStore(
  run: SweepRun,
  store: string,
  sessions: readonly UploadSession[],
): Promise<Done> {
  const { uploads, clock, hasStore } = run.services
  let done: Done = {}
  for (const session of sessions) {
    if (isOver(run)) break
    if (!hasStore(store)) {
      await uploads.scheduleSweep(session, new Date(clock().getTime() + NO_STORE_MS))
      continue
    }
    if (run.skipped.has(store)) break
    const subject = { app: session.appId, upload: session.id, store }
    done = add(done, { looked: 1 }, await look(run, subject, () => sweepSession(run, session)))
  }
  return done
}
