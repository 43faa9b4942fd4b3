// One run of the sweep: when it stops, and which stores it skips because they did not answer.
import { errorText } from '../../core/error-text.ts'
import type { Services } from '../../core/ports/services.ts'
import { isStoreFailure } from '../../core/ports/store-failure.ts'
import type { Done } from './counts.ts'

export interface SweepRun {
  services: Services
  /** In Unix milliseconds. */
  endsAt: number
  /** Stores that did not answer, or that no configuration names: skipped until the next run. */
  skipped: Set<string>
}

/** The requests that one look may take: with fewer left in the budget, no other look begins. */
const REQUESTS_A_LOOK = 16

export const isOver = ({ services, endsAt }: SweepRun): boolean =>
  services.clock().getTime() >= endsAt || services.budget.left < REQUESTS_A_LOOK

/** How many sessions to claim, `most` or fewer: one that is claimed but not looked at has to wait. */
export const affordableLooks = ({ services }: SweepRun, most: number): number =>
  Math.min(most, Math.max(1, Math.floor(services.budget.left / REQUESTS_A_LOOK)))

export interface Subject {
  app: string
  store: string
  upload?: string
}

/** Looks at one thing. A look that fails does not keep the others from theirs. */
export async function look(
  run: SweepRun,
  subject: Subject,
  work: () => Promise<Done>,
): Promise<Done> {
  try {
    return await work()
  } catch (error) {
    return failed(run, subject, error)
  }
}

/** A store that gave no answer at all is skipped from here on, because each further call would wait as long. */
export function failed({ services, skipped }: SweepRun, subject: Subject, error: unknown): Done {
  if (isStoreFailure(error) && error.status === 0) skipped.add(subject.store)
  const reason = isStoreFailure(error) ? error.code : errorText(error)
  services.log('warn', 'the sweep could not look', { ...subject, reason })
  return { unanswered: 1 }
}
