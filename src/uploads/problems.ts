// Problems that several flows answer with: a failure of the store, a key that is taken, a session that is not open.
import { isStoreFailure, type StoreFailure } from '../core/ports/store-failure.ts'
import { Problem } from '../core/problem.ts'
import { ATTEMPT_WINDOW_MS, type UploadSession } from '../core/upload-session.ts'

export function refusal(failure: StoreFailure): Problem {
  const { code, kind } = failure
  if (kind === 'no-upload') return uploadLost(failure)
  if (kind === 'exists') return objectExists()
  if (kind === 'parts-changed') {
    return new Problem('parts-mismatch', {
      detail: 'The stored parts changed meanwhile. Ask for the status and complete again.',
      cause: failure,
    })
  }
  // Each call is signed anew, so a definite no does not pass by itself: key, clock, rights or bucket are wrong.
  return new Problem('storage-unavailable', {
    detail:
      kind === 'ambiguous'
        ? 'The store did not answer as expected. Try again.'
        : 'The store refused the service. Its operator has to look into storeCode.',
    cause: failure,
    retryAfterSeconds: kind === 'ambiguous' ? 2 : undefined,
    members: { storeCode: code },
  })
}

/** Rethrows a failure of the store as its Problem, and anything else as it is. */
export function throwRefusal(failure: unknown): never {
  throw isStoreFailure(failure) ? refusal(failure) : failure
}

export const uploadLost = (cause?: StoreFailure) =>
  new Problem('storage-upload-lost', {
    detail: 'The store no longer knows this upload. GET it: it is begun anew, then send the parts.',
    cause,
  })

export const objectExists = () =>
  new Problem('object-exists', {
    detail:
      'Another object has this key, and the policy says never to overwrite. Abort this upload and use another name.',
  })

export const uploadExpired = () =>
  new Problem('upload-expired', { detail: 'The upload has expired. Create a new one.' })

export const tokenExpired = () =>
  new Problem('unauthenticated', {
    detail: 'The token has expired. GET the upload for a fresh one.',
  })

/** Throws `upload-not-open`, `upload-completing` and `upload-expired`. */
export function requireOpen(session: UploadSession, now: Date): void {
  if (session.state !== 'open') throw notOpen(session, now)
  if (session.expiresAt <= now) throw uploadExpired()
}

/** Says why a session cannot be changed, or not yet. */
export function notOpen(session: UploadSession, now: Date): Problem {
  if (session.state === 'completing' || session.state === 'initiating') {
    return new Problem('upload-completing', {
      detail: 'The upload is being completed. Ask for its status and try again.',
      retryAfterSeconds: 5,
      members: { state: session.state },
    })
  }
  if (session.state === 'open') {
    const until = (session.attemptAt?.getTime() ?? 0) + ATTEMPT_WINDOW_MS
    return new Problem('upload-completing', {
      detail:
        'The store may still be completing this upload. Ask for its status, or try again later.',
      retryAfterSeconds: Math.max(1, Math.ceil((until - now.getTime()) / 1000)),
      members: { state: session.state },
    })
  }
  const code = session.state === 'expired' ? 'upload-expired' : 'upload-not-open'
  return new Problem(code, {
    detail: `The upload is ${session.state}. Create a new one.`,
    members: { state: session.state, ...(session.failure ? { failure: session.failure } : {}) },
  })
}
