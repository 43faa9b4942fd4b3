// Whose form it is: the signature over the base64 of its policy, V4 or V1. Without one a form is refused.
// Source: Alibaba Cloud OSS, "PostObject", signature fields.
import { createHmac } from 'node:crypto'
import { equalInConstantTime } from '../../../bytes/encoding.ts'
import { OSS4_ALGORITHM, signature, signingKey } from '../../../signing/oss4.ts'
import { invalidArgument, refusal } from '../refusal.ts'
import type { Keyholder } from '../sts/keyring.ts'
import { checkCredential, parseDateTime, SKEW_MS, type VerifyOptions } from '../verify.ts'
import { against, demands, type FormPolicy } from './policy.ts'

type Fields = ReadonlyMap<string, string>

const V1 = ['ossaccesskeyid', 'policy', 'signature']
const V4 = [
  'x-oss-signature-version',
  'x-oss-credential',
  'x-oss-date',
  'x-oss-signature',
  'policy',
]
const MAX_AGE_MS = 7 * 86_400_000

/** Throws a refusal; what it answers may do what its session policy says. */
export function formVerifier(options: VerifyOptions) {
  return function verify(fields: Fields, policyOf: (encoded: string) => FormPolicy): Keyholder {
    const given = (names: string[]) => names.filter((name) => fields.has(name))
    const v4 = given(V4.slice(0, -1)).length > 0
    if (!v4 && given(V1).length === 0) {
      throw refusal('AccessDenied', {
        message: 'Anonymous access is forbidden for this operation.',
      })
    }
    const missing = (v4 ? V4 : V1).find((name) => !fields.has(name))
    if (missing) throw invalidArgument(missing, '', `The form's field ${missing} is missing.`)
    return v4 ? verifyV4(options, fields, policyOf) : verifyV1(options, fields)
  }
}

function verifyV4(
  { keyring, region, clock }: VerifyOptions,
  fields: Fields,
  policyOf: (encoded: string) => FormPolicy,
): Keyholder {
  const [version, credential, dateTime, given, encoded] = V4.map((name) => fields.get(name)!)
  if (version !== OSS4_ALGORITHM) {
    throw invalidArgument('x-oss-signature-version', version!, `It must be ${OSS4_ALGORITHM}.`)
  }
  const time = parseDateTime(dateTime!)
  if (time === undefined) throw invalidArgument('x-oss-date', dateTime!, 'It is not a time.')
  const now = clock().getTime()
  if (now < time - SKEW_MS || now > time + MAX_AGE_MS) throw against('Policy expired.')
  const token = fields.get('x-oss-security-token')
  const claim = { credential: credential!, dateTime: dateTime! }
  const holder = checkCredential(claim, token, keyring, region)
  const key = signingKey(holder.secretAccessKey, { dateTime: dateTime!, region })
  if (!equalInConstantTime(signature(key, encoded!), given!)) throw mismatch(holder, given!)
  const policy = policyOf(encoded!)
  const unnamed = V4.slice(0, 3).find((name) => !demands(policy, name))
  if (unnamed) throw against(`${unnamed} is no condition.`)
  return holder
}

function verifyV1({ keyring }: VerifyOptions, fields: Fields): Keyholder {
  const [id, encoded, given] = V1.map((name) => fields.get(name)!)
  const holder = keyring.holder(id!, fields.get('x-oss-security-token'))
  const expected = createHmac('sha1', holder.secretAccessKey).update(encoded!).digest('base64')
  if (!equalInConstantTime(expected, given!)) throw mismatch(holder, given!)
  return holder
}

const mismatch = ({ accessKeyId }: Keyholder, given: string) =>
  refusal('SignatureDoesNotMatch', {
    ec: '0002-00000040',
    elements: { OSSAccessKeyId: accessKeyId, SignatureProvided: given.slice(0, 200) },
  })
