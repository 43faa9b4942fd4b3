// Verifies the one signature of a request, V4 or V1. A request that is signed twice has no single meaning and is refused.
import { UNSIGNED_PAYLOAD } from '../../../signing/oss4.ts'
import { malformed } from '../refusal.ts'
import type { WireRequest } from '../wire.ts'
import type { SignatureContext, Verified } from './match.ts'
import { isV1Header, isV1Url, verifyV1 } from './v1.ts'
import { isV4Url, verifyV4 } from './v4.ts'

/** Throws a refusal. */
export function verifyRequest(request: WireRequest, context: SignatureContext): Verified {
  checkSignedNames(request)
  return usesV1(request) ? verifyV1(request, context) : verifyV4(request, context)
}

function usesV1({ headers: { authorization }, query }: WireRequest): boolean {
  if (authorization === undefined) return isV1Url(query) && !isV4Url(query)
  if (isV4Url(query) || isV1Url(query)) {
    throw malformed('Both a header and a query signature were given.')
  }
  return isV1Header(authorization)
}

/** A name must not have one value in the query and another in a signed header. Hashes of the payload are not checked. */
function checkSignedNames({ headers, query }: WireRequest): void {
  for (const [name, value] of query) {
    const header = name.startsWith('x-oss-') ? headers[name] : undefined
    if (header !== undefined && header !== value) {
      throw malformed('A parameter and a header of one name have different values.')
    }
  }
  if ((headers['x-oss-content-sha256'] ?? UNSIGNED_PAYLOAD) !== UNSIGNED_PAYLOAD) {
    throw malformed('x-oss-content-sha256 must be UNSIGNED-PAYLOAD.')
  }
}
