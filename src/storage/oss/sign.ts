// Signs requests to OSS with V4: our calls by header, clients' requests by query. A day's signing key is cached.
import { percentEncode } from '../../bytes/encoding.ts'
import type { SignedForm, SizeRange, Validity } from '../../core/ports/object-store.ts'
import {
  type Oss4Credentials,
  type Oss4Request,
  type Oss4Scope,
  oss4DateTime,
  signHeaders,
  signingKey,
  signQuery,
} from '../../signing/oss4.ts'
import { planParts } from '../../signing/oss4-parts.ts'
import { type BucketAddress, objectUrl } from '../rest/address.ts'
import type { Signer, StoreCall } from '../rest/call.ts'
import { signForm } from './post-policy.ts'

export interface OssSignerOptions {
  bucket: string
  /** Without `oss-`. */
  region: string
  credentials: Oss4Credentials
  /** For our own calls. */
  endpoint: BucketAddress
  /** For clients. */
  publicEndpoint: BucketAddress
}

export interface OssSigner extends Signer {
  /** `fields` without the signer's own. */
  byForm(fields: Record<string, string>, size: SizeRange, validity: Validity): SignedForm
}

export function ossSigner(options: OssSignerOptions): OssSigner {
  let cached: { date: string; key: Uint8Array } | undefined

  function keyFor(scope: Oss4Scope): Uint8Array {
    const date = scope.dateTime.slice(0, 8)
    if (cached?.date !== date) {
      cached = { date, key: signingKey(options.credentials.secretAccessKey, scope) }
    }
    return cached.key
  }

  const requestOf = (call: StoreCall): Oss4Request => ({
    method: call.method,
    bucket: options.bucket,
    key: call.key,
    query: call.query ?? [],
    headers: call.headers ?? {},
  })

  return {
    byHeader(call, now) {
      const scope = { dateTime: oss4DateTime(now), region: options.region }
      const query = (call.query ?? [])
        .map(([name, value]) =>
          value === '' ? percentEncode(name) : `${percentEncode(name)}=${percentEncode(value)}`,
        )
        .join('&')
      const url = objectUrl(options.endpoint, options.bucket, call.key)
      return {
        url: query ? `${url}?${query}` : url,
        headers: signHeaders(requestOf(call), options.credentials, scope, keyFor(scope)),
      }
    },

    byForm(fields, size, validity) {
      const { bucket, credentials, publicEndpoint } = options
      const scope = { dateTime: oss4DateTime(validity.from), region: options.region }
      const expiresAt = new Date(validity.from.getTime() + validity.seconds * 1000)
      return {
        url: objectUrl(publicEndpoint, bucket),
        fields: signForm({ bucket, fields, size, expiresAt }, credentials, scope, keyFor(scope)),
      }
    },

    forParts({ key, storageUploadId }, { from, seconds }) {
      const { bucket, credentials, publicEndpoint, region } = options
      const scope = { dateTime: oss4DateTime(from), region }
      const url = objectUrl(publicEndpoint, bucket, key)
      const sign = planParts({
        bucket,
        key,
        storageUploadId,
        credentials,
        scope,
        expiresSeconds: seconds,
        signingKey: keyFor(scope),
      })
      return (partNumber, { sent, signed }) => ({
        method: 'PUT',
        // A client could drop or change a header that OSS does not sign by itself, so all are listed.
        url: `${url}?${sign(partNumber, signed, Object.keys(signed))}`,
        headers: sent,
      })
    },

    byQuery(call, validity, sent = {}) {
      const scope = { dateTime: oss4DateTime(validity.from), region: options.region }
      const query = signQuery(
        { ...requestOf(call), additionalHeaders: Object.keys(call.headers ?? {}) },
        options.credentials,
        scope,
        validity.seconds,
        keyFor(scope),
      )
      const url = objectUrl(options.publicEndpoint, options.bucket, call.key)
      return { method: call.method, url: `${url}?${query}`, headers: sent }
    },
  }
}
