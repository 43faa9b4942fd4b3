// Bounds the life of a signed request by its limits and by the service's own credential at the store.
import type { ObjectStore, Validity } from '../core/ports/object-store.ts'
import { Problem } from '../core/problem.ts'
import { uploadExpired } from './problems.ts'

/** `limits` are seconds. Throws `storage-unavailable` if the credential has ended, and `upload-expired` if a limit has. */
export function validityFor(
  store: Pick<ObjectStore, 'maxUrlSeconds'>,
  now: Date,
  ...limits: number[]
): Validity {
  const most = store.maxUrlSeconds(now)
  if (most < 1) {
    throw new Problem('storage-unavailable', {
      detail: 'The service’s own credential at the store has ended; its operator has to renew it.',
    })
  }
  const seconds = Math.min(most, ...limits)
  if (seconds < 1) {
    throw uploadExpired()
  }
  return { from: now, seconds }
}
