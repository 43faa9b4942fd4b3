// The policy of a form upload (PostObject), signed with V4: the signature covers the base64 of the policy instead of a
// canonical request. Every field is a condition of the policy, so that the form's holder cannot change any. Pure.
// Source: Alibaba Cloud OSS, "PostObject", "Signature V4 of PostObject".
import { base64, utf8 } from '../../bytes/encoding.ts'
import type { SizeRange } from '../../core/ports/object-store.ts'
import {
  credentialScope,
  OSS4_ALGORITHM,
  type Oss4Credentials,
  type Oss4Scope,
  signature,
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

/** The fields of the signer and the time. */
const signerFields = (
  { accessKeyId, sessionToken }: Oss4Credentials,
  scope: Oss4Scope,
): Record<string, string> => ({
  'x-oss-signature-version': OSS4_ALGORITHM,
  'x-oss-credential': `${accessKeyId}/${credentialScope(scope)}`,
  'x-oss-date': scope.dateTime,
  ...(sessionToken ? { 'x-oss-security-token': sessionToken } : {}),
})

/** Bucket and signer are pairs, all others `eq`, as in the documentation. */
function conditionsOf({ bucket, fields, size }: FormToSign): Condition[] {
  const pinned = Object.entries(fields).map(([name, value]): Condition => {
    const field = name.toLowerCase()
    return field in SIGNER_FIELDS ? { [field]: value } : ['eq', `$${field}`, value]
  })
  return [{ bucket }, ['content-length-range', size.least, size.most], ...pinned]
}

const SIGNER_FIELDS = {
  'x-oss-signature-version': true,
  'x-oss-credential': true,
  'x-oss-date': true,
  'x-oss-security-token': true,
}

const policyJson = (form: FormToSign): string =>
  JSON.stringify({ expiration: form.expiresAt.toISOString(), conditions: conditionsOf(form) })

export const encodePolicy = (json: string): string => base64(utf8(json))

export const signPolicy = (key: Uint8Array, encoded: string): string => signature(key, encoded)

/** All fields except the file, in the order in which to send them. */
export function signForm(
  form: FormToSign,
  credentials: Oss4Credentials,
  scope: Oss4Scope,
  key: Uint8Array,
): Record<string, string> {
  const fields = { ...form.fields, ...signerFields(credentials, scope) }
  const policy = encodePolicy(policyJson({ ...form, fields }))
  return { ...fields, policy, 'x-oss-signature': signPolicy(key, policy) }
}
