// AWS Signature Version 4 of many UploadPart URLs. A plan holds everything that the parts of one storage upload share; signing a
// part then adds its number and headers. A property test compares the result with signQuery of sigv4.ts, which is simpler and slower.
import { percentEncode, percentEncodePath } from '../bytes/encoding.ts'
import { sha256Hex } from '../bytes/sha256.ts'
import {
  canonicalHeaders,
  canonicalQuery,
  type Sigv4Credentials,
  type Sigv4Request,
  type Sigv4Scope,
  signature,
  signerQuery,
  stringToSignHead,
  UNSIGNED_PAYLOAD,
} from './sigv4.ts'

export interface Sigv4PartsPlan {
  /** With the port, unless it is the scheme's own. */
  host: string
  /** Of the object, not encoded. */
  path: string
  storageUploadId: string
  credentials: Sigv4Credentials
  scope: Sigv4Scope
  expiresSeconds: number
  /** The signing key of the scope: see `signingKey`. */
  signingKey: Uint8Array
}

/** Returns the encoded query of one part's URL with the signature last. Every header is signed. */
export type SignPart = (partNumber: number, headers: Sigv4Request['headers']) => string

/**
 * Returns the signer of a batch. Pure.
 *
 * ```ts
 * const sign = planParts({ host, path, storageUploadId, credentials, scope, expiresSeconds: 900, signingKey })
 * const url = `${objectUrl}?${sign(1, { 'content-length': '1048576' })}`
 * ```
 */
export function planParts(plan: Sigv4PartsPlan): SignPart {
  const { host, credentials, scope, expiresSeconds, signingKey } = plan
  const requestHead = `PUT\n${percentEncodePath(plan.path)}\n`
  const toSignHead = stringToSignHead(scope)
  const uploadId = `uploadId=${percentEncode(plan.storageUploadId)}`
  // The signer's parameters begin with a capital, so they sort before the part's own.
  const queryHeads = new Map<string, string>()
  function queryHead(names: string): string {
    let head = queryHeads.get(names)
    if (head === undefined) {
      head = canonicalQuery(signerQuery(credentials, scope, expiresSeconds, names))
      queryHeads.set(names, head)
    }
    return head
  }

  return (partNumber, headers) => {
    const { lines, names } = canonicalHeaders(host, headers)
    const query = `${queryHead(names)}&partNumber=${partNumber}&${uploadId}`
    const canonical = `${requestHead}${query}\n${lines}\n${names}\n${UNSIGNED_PAYLOAD}`
    return `${query}&X-Amz-Signature=${signature(signingKey, toSignHead + sha256Hex(canonical))}`
  }
}
