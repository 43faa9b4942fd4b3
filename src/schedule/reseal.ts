// Seals secrets at rest anew with the first key, so that the key before it can go. Harmless when two do it at once: each
// secret changes only if it still is what was read.
import { errorText } from '../core/error-text.ts'
import { databaseFailure } from '../core/ports/database-failure.ts'
import type { SealedDb } from '../core/ports/sealed.ts'
import type { Services } from '../core/ports/services.ts'

export interface ResealServices extends Pick<Services, 'budget' | 'log'> {
  sealed: SealedDb
}

export interface ResealOptions {
  /** Most secrets looked at. */
  most?: number
  /** Called after each secret with how many were looked at so far. */
  progress?: (looked: number) => void
}

const PAGE = 100
/** What a page takes of the budget, with one secret of it. */
const REQUESTS = 2

/** A secret that cannot be opened is logged and left; those behind it have their turn. */
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
