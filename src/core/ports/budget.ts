// A budget of outgoing requests, because Workers bound them for each invocation. Store calls, webhooks and statements all count.
// The next run does the work that does not fit.

export interface Budget {
  /** Infinite on Node. */
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
    // Never refuses, so that work that has begun can end. Callers check `left` before they begin.
    spend() {
      left = Math.max(0, left - 1)
    },
  }
}

/** The same budget, less the requests that other work needs. */
export const keeping = (budget: Budget, count: number): Budget => ({
  get left() {
    return Math.max(0, budget.left - count)
  },
  spend: () => budget.spend(),
})

/** The most requests of one attempt at a delivery, one swept session and one month of the event log, with their queries. */
const ONE = { delivery: 10, sweep: 20, housekeeping: 10 }

/** The fewest requests with which each part of a run makes progress. */
export const LEAST_RUN = ONE.delivery + ONE.sweep + ONE.housekeeping

/** The sweep of a session, if some apps before it have nothing due. */
const SWEEP_OF_SOME_APPS = 30

/** The requests that each part of a run is sure to get. */
export interface Shares {
  delivery: number
  sweep: number
  housekeeping: number
}

/** Deliveries and the sweep get equal shares. A small run leaves one delivery attempt and gives the sweep the rest. */
export function sharesOf(requests: number, hasHousekeeping: boolean): Shares {
  const housekeeping = hasHousekeeping ? Math.max(ONE.housekeeping, Math.floor(requests / 4)) : 0
  const rest = requests - housekeeping
  const sweep = Math.min(Math.max(Math.ceil(rest / 2), SWEEP_OF_SOME_APPS), rest - ONE.delivery)
  return { delivery: rest - sweep, sweep, housekeeping }
}

/** For callbacks, expired keys and sessions. */
const QUERIES_PER_APP = 3
/** For one claimed session or storage listing. */
const ONE_CLAIM = 17

/** How many apps the sweep can query and still work on one of them. */
export const appsWithin = (requests: number): number =>
  Math.max(1, Math.floor((requests - ONE_CLAIM) / QUERIES_PER_APP))

/**
 * Takes `count` ids; the run of the next minute goes on after the last. Sorted by id and not by waiting time, because an app
 * may wait longest for work that cannot be done.
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
