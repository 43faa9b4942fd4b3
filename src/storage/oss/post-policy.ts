// The policy of a form upload (PostObject), signed with V4: the signature covers the base64 of the policy instead of a
// canonical request. Every field is a condition of the policy, so that the form's holder cannot change any. Pure.
// Source: Alibaba Cloud OSS, "PostObject", "Signature V4 of PostObject".
import { base64, utf8 } from '../../bytes/encoding.ts'
import type { SizeRange } from '../../core/ports/object-store.ts'
import {
  type Oss4Credentials,
  type Oss4Scope,
  signature,
  signerFields,
} from '../../signing/oss4.ts'

export type Condition =
  | Record<string, string>
  | ['eq', string, string]
  | ['content-length-range', number, number]

export interface FormToSign {
  bucket: string
  /** OSS ignores the case of the names. */
  fields: Record<string, string>
  size: SizeRange
  expiresAt: Date
}

export const encodePolicy = (json: string): string => base64(utf8(json))

export const signPolicy = (key: Uint8Array, encoded: string): string => signature(key, encoded)

/** All fields except the file, in the order in which to send them. */
export function signForm(
  { bucket, fields, size, expiresAt }: FormToSign,
  credentials: Oss4Credentials,
  scope: Oss4Scope,
  key: Uint8Array,
): Record<string, string> {
  const signer = signerFields(credentials, scope)
  // Bucket and signer are pairs, all others `eq`, as in the documentation.
  const conditions: Condition[] = [
    { bucket },
    ['content-length-range', size.least, size.most],
    ...Object.entries(fields).map(
      ([name, value]): Condition => ['eq', `$${name.toLowerCase()}`, value],
    ),
    ...Object.entries(signer).map(([name, value]) => ({ [name]: value })),
  ]
  const policy = encodePolicy(JSON.stringify({ expiration: expiresAt.toISOString(), conditions }))
  return { ...fields, ...signer, policy, 'x-oss-signature': signPolicy(key, policy) }
}
