// Signs requests with SigV4: our calls by header, clients' requests by query. A day's signing key is cached.
import { sha256Hex } from '../../bytes/sha256.ts'
import {
  canonicalQuery,
  type Sigv4Credentials,
  type Sigv4Request,
  type Sigv4Scope,
  signHeaders,
  signingKey,
  signQuery,
  sigv4DateTime,
} from '../../signing/sigv4.ts'
import { planParts } from '../../signing/sigv4-parts.ts'
import { type BucketAddress, objectTarget, objectUrl } from '../rest/address.ts'
import type { Signer, StoreCall } from '../rest/call.ts'

export interface S3SignerOptions {
  bucket: string
  region: string
  credentials: Sigv4Credentials
  /** For our own calls. */
  endpoint: BucketAddress
  /** For clients. */
  publicEndpoint: BucketAddress
}

export function s3Signer(options: S3SignerOptions): Signer {
  const { bucket, region, credentials, endpoint, publicEndpoint } = options
  let cached: { date: string; key: Uint8Array } | undefined

  const scopeAt = (time: Date): Sigv4Scope => ({ dateTime: sigv4DateTime(time), region })

  function keyFor(scope: Sigv4Scope): Uint8Array {
    const date = scope.dateTime.slice(0, 8)
    if (cached?.date !== date) {
      cached = { date, key: signingKey(credentials.secretAccessKey, scope) }
    }
    return cached.key
  }

  const requestTo = (address: BucketAddress, call: StoreCall): Sigv4Request => ({
    ...objectTarget(address, bucket, call.key),
    method: call.method,
    query: call.query ?? [],
    headers: call.headers ?? {},
  })

  return {
    byHeader(call, now, body = '') {
      const scope = scopeAt(now)
      const request = requestTo(endpoint, call)
      const query = canonicalQuery(request.query)
      const url = objectUrl(endpoint, bucket, call.key)
      return {
        url: query ? `${url}?${query}` : url,
        headers: signHeaders(request, sha256Hex(body), credentials, scope, keyFor(scope)),
      }
    },

    forParts({ key, storageUploadId }, { from, seconds }) {
      const scope = scopeAt(from)
      const url = objectUrl(publicEndpoint, bucket, key)
      const sign = planParts({
        ...objectTarget(publicEndpoint, bucket, key),
        storageUploadId,
        credentials,
        scope,
        expiresSeconds: seconds,
        signingKey: keyFor(scope),
      })
      return (partNumber, { sent, signed }) => ({
        method: 'PUT',
        url: `${url}?${sign(partNumber, signed)}`,
        headers: sent,
      })
    },

    byQuery(call, { from, seconds }, sent = {}) {
      const scope = scopeAt(from)
      const request = requestTo(publicEndpoint, call)
      const query = signQuery(request, credentials, scope, seconds, keyFor(scope))
      const url = objectUrl(publicEndpoint, bucket, call.key)
      return { method: call.method, url: `${url}?${query}`, headers: sent }
    },
  }
}
