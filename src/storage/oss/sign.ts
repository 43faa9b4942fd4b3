// Signs requests to OSS with V4: control calls by header, what clients send by query. Keys are kept for their day.
import { percentEncode } from '../../bytes/encoding.ts'
import type {
  SignedForm,
  SignedRequest,
  SizeRange,
  Validity,
} from '../../core/ports/object-store.ts'
import type { StoredUpload } from '../../core/stored.ts'
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
import type { PutHeaders, StoreCall } from '../rest/call.ts'
import { signForm } from './post-policy.ts'

export interface OssSignerOptions {
  bucket: string
  /** Without `oss-`. */
  region: string
  credentials: Oss4Credentials
  /** For our own calls and, apart from that, for what clients are handed. */
  endpoint: BucketAddress
  publicEndpoint: BucketAddress
}

/** A `Signer`, and forms. */
export function ossSigner(options: OssSignerOptions) {
  let kept: { date: string; key: Uint8Array } | undefined

  function keyFor(scope: Oss4Scope): Uint8Array {
    const date = scope.dateTime.slice(0, 8)
    if (kept?.date !== date) {
      kept = { date, key: signingKey(options.credentials.secretAccessKey, scope) }
    }
    return kept.key
  }

  const requestOf = (call: StoreCall): Oss4Request => ({
    method: call.method,
    bucket: options.bucket,
    key: call.key,
    query: call.query ?? [],
    headers: call.headers ?? {},
  })

  return {
    /** For our own calls: URL and headers, ready for fetch. */
    byHeader(call: StoreCall, now: Date): { url: string; headers: Record<string, string> } {
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

    /** A form for clients, its `fields` besides the signer's own. */
    byForm(fields: Record<string, string>, size: SizeRange, validity: Validity): SignedForm {
      const { bucket, credentials, publicEndpoint } = options
      const scope = { dateTime: oss4DateTime(validity.from), region: options.region }
      const expiresAt = new Date(validity.from.getTime() + validity.seconds * 1000)
      return {
        url: objectUrl(publicEndpoint, bucket),
        fields: signForm({ bucket, fields, size, expiresAt }, credentials, scope, keyFor(scope)),
      }
    },

    /** For the parts of one storage upload, for clients: what they share is made once. */
    forParts({ key, storageUploadId }: StoredUpload, { from, seconds }: Validity) {
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
      return (partNumber: number, { sent, signed }: PutHeaders): SignedRequest => ({
        method: 'PUT',
        // Unless listed, a header that OSS does not always sign could be left out or changed.
        url: `${url}?${sign(partNumber, signed, Object.keys(signed))}`,
        headers: sent,
      })
    },

    /** For clients. `sent` are the headers that the client has to send itself. */
    byQuery(
      call: StoreCall & { method: SignedRequest['method'] },
      validity: Validity,
      sent: Record<string, string> = {},
    ): SignedRequest {
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

export type OssSigner = ReturnType<typeof ossSigner>
