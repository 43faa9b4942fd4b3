// Runs deliveries side by side, one lane for each app. An app has slots of its own, so it never waits for another app's slow
// receivers. A pool of slots bounds all apps together, and so does the runtime's budget of outgoing requests.
import type { Delivery } from '../core/ports/deliveries.ts'
import type { Services } from '../core/ports/services.ts'
import { withTimeout } from '../net/with-timeout.ts'

/** Slots of one app. */
export const SLOTS_PER_APP = 20
/** Slots of all apps together. An app that uses none gets one even if the pool is used up. */
const SLOTS = 500
/** A lane ends after this many batches. If the app has more due, `begin` starts it again. */
const BATCHES = 5
/** The most outgoing requests of one delivery: for processing, five store calls, two reads and the record. */
const REQUESTS_PER_DELIVERY = 8
const REQUESTS_PER_CLAIM = 1

export interface LanesOptions {
  state: 'pending' | 'running'
  work: (delivery: Delivery) => Promise<void>
  leaseMs: number
  /** Called when a lane ends because a claim or a record failed. The other lanes go on. */
  onFailure: (appId: string, error: unknown) => void
}

export interface Lanes {
  /** Begins a lane for each app that has something due and a free slot. Does not wait for the lanes. */
  begin(): Promise<void>
  /** Resolves when no lane runs, with the number of deliveries so far. */
  ended(): Promise<number>
}

/** A claim or a delivery that is still pending when its lease ends gives its slot back. */
export function lanes(services: Services, options: LanesOptions): Lanes {
  const { deliveries, clock, budget, log } = services
  const { state, work, leaseMs, onFailure } = options
  const running = new Set<Promise<void>>()
  const slotsOf = new Map<string, number>()
  let slots = 0
  let claims = 0
  let worked = 0

  const affordable = () =>
    Math.floor(
      (budget.left - slots * REQUESTS_PER_DELIVERY - (claims + 1) * REQUESTS_PER_CLAIM) /
        REQUESTS_PER_DELIVERY,
    )

  function use(appId: string, count: number): void {
    slots += count
    const left = (slotsOf.get(appId) ?? 0) + count
    if (left) slotsOf.set(appId, left)
    else slotsOf.delete(appId)
  }

  /** How many slots an app may take now, if `sharers` apps share the free ones. */
  function shareOf(appId: string, sharers: number): number {
    const most = affordable()
    if (most < 1) return 0
    const own = slotsOf.get(appId) ?? 0
    const share = Math.floor(Math.min(most, SLOTS - slots) / sharers)
    return Math.min(Math.max(share, own ? 0 : 1), SLOTS_PER_APP - own)
  }

  async function claim(appId: string, count: number): Promise<Delivery[]> {
    use(appId, count)
    claims++
    const now = clock()
    const lease = new Date(now.getTime() + leaseMs)
    let claimed: Delivery[] = []
    try {
      claimed = await withTimeout(
        deliveries.claim(appId, state, now, lease, count),
        leaseMs,
        unanswered,
      )
      return claimed
    } finally {
      claims--
      use(appId, claimed.length - count)
    }
  }

  async function workOn(delivery: Delivery): Promise<void> {
    const { appId, id } = delivery
    try {
      await withTimeout(work(delivery), leaseMs, () =>
        log('error', 'a delivery is left to its lease', { delivery: id }),
      )
    } finally {
      use(appId, -1)
    }
  }

  async function runLane(appId: string, sharers: number): Promise<void> {
    for (let batch = 0; batch < BATCHES; batch++) {
      const count = shareOf(appId, batch ? Math.max(1, running.size) : sharers)
      if (count < 1) return
      const claimed = await claim(appId, count)
      if (!claimed.length) return
      worked += claimed.length
      const results = await Promise.allSettled(claimed.map(workOn))
      const failed = results.find((each) => each.status === 'rejected')
      if (failed) throw failed.reason
    }
  }

  function beginLane(appId: string, sharers: number): void {
    const lane = runLane(appId, sharers)
      .catch((error: unknown) => onFailure(appId, error))
      .finally(() => running.delete(lane))
    running.add(lane)
  }

  return {
    async begin() {
      // One more request for the query itself.
      if (affordable() < 1 || budget.left < REQUESTS_PER_DELIVERY + 2) return
      const due = await deliveries.appsWithDue(state, clock())
      const free = due.filter((appId) => (slotsOf.get(appId) ?? 0) < SLOTS_PER_APP)
      for (const [index, appId] of free.entries()) beginLane(appId, free.length - index)
    },

    async ended() {
      while (running.size) await Promise.all(running)
      return worked
    },
  }
}

function unanswered(): never {
  throw new Error('the database did not answer in time')
}
