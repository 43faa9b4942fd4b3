// When a session's storage must be released: not before the last moment at which something of it may still arrive
// (src/core/sweep-rules.ts), and within a few minutes of sweeping after it. Checked step by step during recovery.
import { arrivalsUntil, endOf } from '../../src/core/sweep-rules.ts'
import { ATTEMPT_WINDOW_MS, hasEnded, type UploadSession } from '../../src/core/upload-session.ts'
import { storeContent } from './invariants.ts'
import type { World } from './world.ts'

const MINUTE_MS = 60_000
/** The sweep runs each minute, and retries after a minute. */
const SWEEPING_MS = 5 * MINUTE_MS
/** How long after an opening or reopening the sweep visits the session again. */
const NEXT_LOOK_MS = 16 * MINUTE_MS
/** Finds by a listing what arrived later than expected. */
const LISTING_MS = 60 * MINUTE_MS

export interface Look {
  found: string[]
  /** Storage uploads of sessions that should hold none any more. The next listing finds them. */
  remains: number
}

/** From now on there are no faults. */
export function watchDeadlines(world: World, appId: string) {
  const since = world.clock().getTime()
  const endsBy = new Map<string, number>()
  const leftovers = new Map<string, Date>()
  const settledAt = new Map<string, number>()

  /** An open session must end, and an unanswered initiate must be given up. */
  function livesUntil(session: UploadSession): number {
    const { state, activeAt, attemptAt, leaseUntil } = session
    if (state === 'initiating') return Math.max(since, leaseUntil?.getTime() ?? 0) + MINUTE_MS
    const ends = endOf(session, Math.max(since, activeAt.getTime()))
    const window = (attemptAt?.getTime() ?? 0) + ATTEMPT_WINDOW_MS
    return Math.max(since, ends, window) + NEXT_LOOK_MS
  }

  /** The last moment at which something may arrive. A release clears the note of an unanswered initiate. */
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
