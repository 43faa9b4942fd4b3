// Verifies the signature of a form, V4 or V1, over the base64 of its policy. An unsigned form is refused.
// Source: Alibaba Cloud OSS, "PostObject", signature fields.
import { equalInConstantTime } from '../../../bytes/encoding.ts'
import { OSS4_ALGORITHM, signature, signingKey } from '../../../signing/oss4.ts'
import { denied, invalidArgument } from '../refusal.ts'
import { type SignatureContext, SKEW_MS, signatureMismatch } from '../signature/match.ts'
import { signV1 } from '../signature/v1.ts'
import { ANONYMOUS, checkCredential, parseDateTime } from '../signature/v4.ts'
import type { Keyholder } from '../sts/keyring.ts'
import { type FormPolicy, parsePolicy, requiresExact, violation } from './policy.ts'

type Fields = ReadonlyMap<string, string>

interface VerifiedForm {
  holder: Keyholder
  policy: FormPolicy
}

const V1 = ['ossaccesskeyid', 'policy', 'signature']
const V4_SIGNED = ['x-oss-signature-version', 'x-oss-credential', 'x-oss-date']
const V4 = [...V4_SIGNED, 'x-oss-signature', 'policy']
const MAX_AGE_MS = 7 * 86_400_000

/** Throws a refusal. A policy is parsed only after its signature was found valid. */
export function verifyForm(fields: Fields, context: SignatureContext): VerifiedForm {
  const hasAny = (names: string[]) => names.some((name) => fields.has(name))
  const isV4 = hasAny(V4.slice(0, -1))
  if (!isV4 && !hasAny(V1)) throw denied(ANONYMOUS)
  const missing = (isV4 ? V4 : V1).find((name) => !fields.has(name))
  if (missing) throw invalidArgument(missing, '', `The form's field ${missing} is missing.`)
  return isV4 ? verifyV4(fields, context) : verifyV1(fields, context)
}

function verifyV4(fields: Fields, context: SignatureContext): VerifiedForm {
  const values = V4.map((name) => fields.get(name)!)
  const [version = '', credential = '', dateTime = '', provided = '', encoded = ''] = values
  if (version !== OSS4_ALGORITHM) {
    throw invalidArgument('x-oss-signature-version', version, `It must be ${OSS4_ALGORITHM}.`)
  }
  const time = parseDateTime(dateTime)
  if (time === undefined) throw invalidArgument('x-oss-date', dateTime, 'It is not a time.')
  const now = context.clock().getTime()
  if (now < time - SKEW_MS || now > time + MAX_AGE_MS) throw violation('Policy expired.')
  const token = fields.get('x-oss-security-token')
  const holder = checkCredential({ credential, dateTime }, token, context)
  const key = signingKey(holder.secretAccessKey, { dateTime, region: context.region })
  checkSignature(holder, signature(key, encoded), provided)
  const policy = parsePolicy(encoded)
  const unnamed = V4_SIGNED.find((name) => !requiresExact(policy, name))
  if (unnamed) throw violation(`${unnamed} is no condition.`)
  return { holder, policy }
}

function verifyV1(fields: Fields, { keyring }: SignatureContext): VerifiedForm {
  const [id = '', encoded = '', provided = ''] = V1.map((name) => fields.get(name))
  const holder = keyring.holder(id, fields.get('x-oss-security-token'))
  checkSignature(holder, signV1(holder.secretAccessKey, encoded), provided)
  return { holder, policy: parsePolicy(encoded) }
}

function checkSignature(holder: Keyholder, expected: string, provided: string): void {
  if (equalInConstantTime(expected, provided)) return
  throw signatureMismatch(holder, provided.slice(0, 200))
}
