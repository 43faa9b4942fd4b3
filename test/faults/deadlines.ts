// When what a session holds at the store has to be gone: as long after its end as something of it may still arrive, and not
// before (src/core/sweep-rules.ts), and a few minutes of sweeping. Watched step by step while everything recovers.
import { arrivalsUntil, endOf } from '../../src/core/sweep-rules.ts'
import { ATTEMPT_WINDOW_MS, hasEnded, type UploadSession } from '../../src/core/upload-session.ts'
import { storeContent } from './invariants.ts'
import type { World } from './world.ts'

const MINUTE_MS = 60_000
/** The sweep comes each minute, and comes back to what it could not settle a minute later. */
const SWEEPING_MS = 5 * MINUTE_MS
/** An open session is looked at again so long after it was opened or reopened. */
const NEXT_LOOK_MS = 16 * MINUTE_MS
/** What came later than it can come is found by the listing. */
const LISTING_MS = 60 * MINUTE_MS

export interface Look {
  found: string[]
  /** Storage uploads of sessions that hold none any more: the next listing finds them. */
  remains: number
}

/** From now on no fault comes in between. */
export function watchDeadlines(world: World, appId: string) {
  const since = world.clock().getTime()
  const endsBy = new Map<string, number>()
  const leftovers = new Map<string, Date>()
  const settledAt = new Map<string, number>()

  /** An open one has to end, an unanswered initiate to be given up. */
  function livesUntil(session: UploadSession): number {
    const { state, activeAt, attemptAt, leaseUntil } = session
    if (state === 'initiating') return Math.max(since, leaseUntil?.getTime() ?? 0) + MINUTE_MS
    const ends = endOf(session, Math.max(since, activeAt.getTime()))
    const window = (attemptAt?.getTime() ?? 0) + ATTEMPT_WINDOW_MS
    return Math.max(since, ends, window) + NEXT_LOOK_MS
  }

  /** Until when something may still come. The note of an unanswered initiate goes when storage is released. */
  function comesUntil(session: UploadSession): number {
    const leftoversAt = session.leftoversAt ?? leftovers.get(session.id)
    if (leftoversAt) leftovers.set(session.id, leftoversAt)
    return arrivalsUntil({ ...session, leftoversAt })
  }

  function lookAt(session: UploadSession, now: number, remains: number): string[] {
    const { id, state, endedAt, storageReleasedAt, leftoversAt } = session
    const comes = comesUntil(session)
    const found: string[] = []
    if ((endedAt?.getTime() ?? now) > (endsBy.get(id) ?? Number.POSITIVE_INFINITY))
      found.push(`I6: ${id} is ${state} later than it has to end`)
    if (!hasEnded(state)) {
      endsBy.set(id, livesUntil(session) + SWEEPING_MS)
      return found
    }
    const due = Math.max(since, endedAt!.getTime(), comes) + SWEEPING_MS
    const isSettled = storageReleasedAt && !leftoversAt
    if (isSettled && !settledAt.has(id)) {
      settledAt.set(id, state === 'completed' ? now : storageReleasedAt.getTime())
      if (state !== 'completed' && storageReleasedAt.getTime() < comes)
        found.push(`I6: ${id} is released while something may still arrive`)
    }
    const late = Math.ceil(((settledAt.get(id) ?? now) - due) / MINUTE_MS)
    if (late > 0)
      found.push(`I6: ${id}, ${state}, holds storage ${late} minutes longer than it may`)
    if (remains && due + LISTING_MS < now)
      found.push(`I6: ${remains} storage uploads of ${id} lie there longer than the listing takes`)
    return found
  }

  return {
    async look(): Promise<Look> {
      const now = world.clock().getTime()
      const { uploads } = await storeContent(world.directory)
      const sessions = await world.port.outside(() =>
        world.bare.uploads.list(appId, { limit: 1000 }),
      )
      let remains = 0
      const found = sessions.flatMap((session) => {
        const own = uploads.filter(({ key }) => key === session.key).length
        if (session.storageReleasedAt && !session.leftoversAt) remains += own
        return lookAt(session, now, own)
      })
      return { found, remains }
    },
  }
}
