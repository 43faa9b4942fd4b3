// Re-seals secrets at rest with the first key, so that the older keys can be removed. Two runs at once are harmless, because a
// secret only changes if it is still what was read.
import { errorText } from '../core/error-text.ts'
import { databaseFailure } from '../core/ports/database-failure.ts'
import type { SealedDb } from '../core/ports/sealed.ts'
import type { Services } from '../core/ports/services.ts'

export interface ResealServices extends Pick<Services, 'budget' | 'log'> {
  sealed: SealedDb
}

export interface ResealOptions {
  /** The most secrets to look at. */
  most?: number
  /** Called after each secret with the number so far. */
  progress?: (looked: number) => void
}

const PAGE = 100
/** Requests for a page and one of its secrets. */
const REQUESTS = 2

/** Logs and skips a secret that cannot be opened. */
export async function reseal(
  { sealed, budget, log }: ResealServices,
  { most = Number.POSITIVE_INFINITY, progress }: ResealOptions = {},
): Promise<{ resealed: number; unreadable: number }> {
  const count = { resealed: 0, unreadable: 0 }
  let looked = 0
  let after: Parameters<SealedDb['sealedByOthers']>[1]
  while (looked < most && budget.left >= REQUESTS) {
    const page = await sealed.sealedByOthers(Math.min(PAGE, most - looked), after)
    for (const secret of page) {
      if (budget.left < 1) return count
      try {
        if (await sealed.reseal(secret)) count.resealed++
      } catch (error) {
        if (databaseFailure(error)) throw error
        count.unreadable++
        const { appId, kind, id } = secret
        log('error', 'a secret cannot be re-sealed', { appId, kind, id, error: errorText(error) })
      }
      progress?.(++looked)
    }
    after = page.at(-1)
    if (page.length < PAGE) break
  }
  return count
}
