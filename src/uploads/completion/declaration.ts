// Compares what a completion declares (a size, a checksum) with its session and with the stored object.
import { checksumTexts, contradiction, readChecksum } from '../../core/checksum.ts'
import { Problem } from '../../core/problem.ts'
import type { MeasuredObject } from '../../core/stored.ts'
import {
  type CompletedObject,
  type Declaration,
  declarationOf,
  type UploadSession,
} from '../../core/upload-session.ts'

/** Throws the problems that need no request to the store. */
export function checkInput(session: UploadSession, { sizeBytes, checksum }: Declaration): void {
  const { plan, method } = session
  // Of what arrives whole, HEAD shows the size.
  if (method === 'multipart' && plan.sizeBytes === null && sizeBytes === undefined) {
    throw new Problem('size-required', {
      detail: 'Say sizeBytes: this upload began without a size.',
    })
  }
  if (plan.sizeBytes !== null && sizeBytes !== undefined && sizeBytes !== plan.sizeBytes) {
    throw new Problem('parts-mismatch', {
      detail: `The upload was created for ${plan.sizeBytes} bytes.`,
      members: { sizeBytes: plan.sizeBytes },
    })
  }
  if (plan.sizeBytes === null && (sizeBytes ?? 0) > session.reservedBytes) {
    throw new Problem('file-too-large', { detail: 'More bytes than were reserved.' })
  }
  const bound = session.checksum
  if (checksum !== undefined && bound !== undefined && checksum !== bound) {
    throw new Problem('checksum-mismatch', {
      detail: 'Another checksum was declared for this upload before.',
    })
  }
}

/**
 * Compares the attempt's declaration with an object that was not made of parts. The object stays in any case, because it cannot
 * be put again. Throws `checksum-mismatch` and `parts-mismatch`.
 */
export function checkWhole(session: UploadSession, { sizeBytes, checksums }: MeasuredObject): void {
  const { checksum, sizeBytes: declaredBytes } = declarationOf(session)
  if (declaredBytes !== undefined && declaredBytes !== sizeBytes) {
    throw new Problem('parts-mismatch', {
      detail: 'The stored object has another size. Complete with its size, or abort this upload.',
      members: { sizeBytes: declaredBytes, storedBytes: sizeBytes },
    })
  }
  const stored = contradiction(readChecksum(checksum), checksums)
  if (stored) {
    throw new Problem('checksum-mismatch', {
      detail:
        'The stored object has another checksum than declared. Complete with its own, or abort this upload.',
      members: { declared: checksum, stored },
    })
  }
}

/** If the store reports no such checksum, the one declared for the object is compared. */
function contradicts(checksum: string | undefined, object: CompletedObject | undefined): boolean {
  const known = { ...readChecksum(object?.declared), ...object?.checksums }
  return contradiction(readChecksum(checksum), known) !== undefined
}

/** A repeated completion returns the first outcome. One that declares different bytes is rejected: those were never stored. */
export function rejectConflict(
  session: UploadSession,
  { sizeBytes, checksum }: Declaration,
): UploadSession {
  const { object, id } = session
  const [stored] = checksumTexts(object?.checksums ?? {})
  const isOther = contradicts(checksum, object)
  if (isOther || (sizeBytes !== undefined && sizeBytes !== object?.sizeBytes)) {
    throw new Problem(isOther ? 'checksum-mismatch' : 'parts-mismatch', {
      detail: `The upload ${id} was completed with other bytes. Create a new one for these.`,
      members: { sizeBytes: object?.sizeBytes, stored },
    })
  }
  return session
}

/** The lease's earlier holder may have asked the store to complete. */
export const isTakenOver = ({ attempt, attemptDeclared }: UploadSession) =>
  attempt !== attemptDeclared?.attempt

/** Whether the caller took over an attempt that declares something else than the caller does. */
export function wouldDeclareOtherwise(session: UploadSession, input: Declaration): boolean {
  const held = declarationOf(session)
  const own = declarationOf({ ...session, attemptDeclared: input })
  return held.checksum !== own.checksum || held.sizeBytes !== own.sizeBytes
}
