// OSS signature V4 of many UploadPart URLs. A plan holds everything that the parts of one storage upload share; signing a part
// then adds its number and headers. A property test compares the result with signQuery of oss4.ts, which is simpler and slower.
import { sha256Hex } from '../bytes/sha256.ts'
import {
  additionalHeaderNames,
  canonicalHeaders,
  canonicalQuery,
  canonicalUri,
  type Oss4Credentials,
  type Oss4Request,
  type Oss4Scope,
  signature,
  signerQuery,
  stringToSignHead,
} from './oss4.ts'

export interface Oss4PartsPlan {
  bucket: string
  /** The object key, not encoded. */
  key: string
  storageUploadId: string
  credentials: Oss4Credentials
  scope: Oss4Scope
  expiresSeconds: number
  /** The signing key of the scope: see `signingKey`. */
  signingKey: Uint8Array
}

/** Returns the encoded query of one part's URL with the signature last. */
export type SignPart = (
  partNumber: number,
  headers: Oss4Request['headers'],
  additionalHeaders?: readonly string[],
) => string

/**
 * Returns the signer of a batch. Pure.
 *
 * ```ts
 * const sign = planParts({ bucket, key, storageUploadId, credentials, scope, expiresSeconds: 900, signingKey })
 * const url = `${objectUrl}?${sign(1, { 'content-length': '1048576' }, ['content-length'])}`
 * ```
 */
export function planParts(plan: Oss4PartsPlan): SignPart {
  const { credentials, scope, expiresSeconds, storageUploadId, signingKey } = plan
  const requestHead = `PUT\n${canonicalUri(plan)}\n`
  const toSignHead = stringToSignHead(scope)
  // `partNumber` sorts before every other parameter, so that the rest of the query is the same text for all parts.
  const queryTails = new Map<string, string>()
  function queryTail(additional: readonly string[]): string {
    const names = additional.join(';')
    let tail = queryTails.get(names)
    if (tail === undefined) {
      tail = canonicalQuery([
        ['uploadId', storageUploadId],
        ...signerQuery(credentials, scope, expiresSeconds, additional),
      ])
      queryTails.set(names, tail)
    }
    return tail
  }

  return (partNumber, headers, additionalHeaders) => {
    const additional = additionalHeaderNames({ headers, additionalHeaders })
    const query = `partNumber=${partNumber}&${queryTail(additional)}`
    const canonical = `${requestHead}${query}\n${canonicalHeaders(headers, additional)}`
    return `${query}&x-oss-signature=${signature(signingKey, toSignHead + sha256Hex(canonical))}`
  }
}
