// How many outgoing requests one piece of work may still make: Workers bound them for each invocation. Store calls,
// webhooks and statements all count; what does not fit is left for the next run.

export interface Budget {
  /** What is left; infinite on Node. */
  readonly left: number
  spend(): void
}

export const unbounded: Budget = { left: Number.POSITIVE_INFINITY, spend() {} }

export function budgetOf(count: number): Budget {
  let left = count
  return {
    get left() {
      return left
    },
    // Never refuses: what was begun may end. Whoever begins something asks first what is left.
    spend() {
      left = Math.max(0, left - 1)
    },
  }
}

/** The same budget for one who has to leave so much of it to others. */
export const keeping = (budget: Budget, count: number): Budget => ({
  get left() {
    return Math.max(0, budget.left - count)
  },
  spend: () => budget.spend(),
})

/**
 * What one thing of each part of a run costs at most, with what is asked before it: an attempt at a delivery, the sweep of a
 * session, a month of the event log.
 */
const ONE = { delivery: 10, sweep: 20, housekeeping: 10 }

/** The smallest run in which each part gets something done. */
export const LEAST_RUN = ONE.delivery + ONE.sweep + ONE.housekeeping

/** The sweep of a session where some apps are asked in vain before it. */
const SWEEP_OF_SOME_APPS = 30

/** What each part of a run can count on, whatever those before it have to do. */
export interface Shares {
  delivery: number
  sweep: number
  housekeeping: number
}

/** Deliveries and the sweep share alike, but for a small run, which is the sweep's but for one sure attempt. */
export function sharesOf(requests: number, hasHousekeeping: boolean): Shares {
  const housekeeping = hasHousekeeping ? Math.max(ONE.housekeeping, Math.floor(requests / 4)) : 0
  const rest = requests - housekeeping
  const sweep = Math.min(Math.max(Math.ceil(rest / 2), SWEEP_OF_SOME_APPS), rest - ONE.delivery)
  return { delivery: rest - sweep, sweep, housekeeping }
}

/** Callbacks, keys to forget, sessions. */
const QUESTIONS_AN_APP = 3
/** The claim of a session or of a listing of storage, and what the sweep wants to have left for it. */
const ONE_LOOK = 17

/** So many apps can be asked what they have for the sweep, and one of them still has it done. */
export const appsWithin = (requests: number): number =>
  Math.max(1, Math.floor((requests - ONE_LOOK) / QUESTIONS_AN_APP))

/**
 * As many ids as fit, in turn: the run of the next minute goes on where this one's end. In their own order, since who waits
 * longest may do so for something that cannot be done.
 */
export function inTurn(ids: string[], count: number, minute: number): string[] {
  if (ids.length <= count) return ids
  const sorted = [...ids].sort()
  const first = (minute * count) % sorted.length
  return [...sorted.slice(first), ...sorted.slice(0, first)].slice(0, count)
}

/** Counts the requests that a fetch sends. */
export const counted =
  (budget: Budget, fetchFrom: typeof fetch): typeof fetch =>
  (input, init) => {
    budget.spend()
    return fetchFrom(input, init)
  }
