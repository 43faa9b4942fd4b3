// A store's failure as a Problem: what the caller can do about it, or whom it is for.

import type { StoreFailure } from '../core/ports/store-failure.ts'
import { Problem } from '../core/problem.ts'

/** The bytes of a part are not what was meant: sending it again mends that. */
const SEND_PARTS_AGAIN = new Set([
  'InvalidPart',
  'InvalidPartOrder',
  'FilePartNotExist',
  'EntityTooSmall',
  'InvalidDigest',
  'InvalidCRC64',
])

/** A store's failure, in our words. The codes are OSS's and S3's. */
export function refusal(failure: StoreFailure): Problem {
  const { code, kind } = failure
  if (kind === 'no-such-upload') return uploadLost(failure)
  if (code === 'FileAlreadyExists' || code === 'PreconditionFailed') return objectExists()
  if (SEND_PARTS_AGAIN.has(code)) {
    return new Problem('parts-mismatch', {
      detail: 'The stored parts changed meanwhile. Ask for the status and complete again.',
      cause: failure,
    })
  }
  // Each of our calls is signed at its own moment, so a definite no is for the operator: key, clock, rights, bucket.
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
