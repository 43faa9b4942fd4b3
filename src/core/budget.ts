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

/** Counts the requests that a fetch sends. */
export const counted =
  (budget: Budget, fetchFrom: typeof fetch): typeof fetch =>
  (input, init) => {
    budget.spend()
    return fetchFrom(input, init)
  }
