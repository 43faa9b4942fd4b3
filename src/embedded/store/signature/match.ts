// Shared by signatures V1 and V4: the allowed clock skew, and the comparison with each reading of the address.
import { equalInConstantTime, hex, utf8 } from '../../../bytes/encoding.ts'
import { refusal } from '../refusal.ts'
import type { Keyholder, Keyring } from '../sts/keyring.ts'
import type { Address } from '../wire.ts'

export const SKEW_MS = 15 * 60 * 1000

export interface SignatureContext {
  keyring: Keyring
  region: string
  clock: () => Date
}

/** The result of a valid signature: the bucket and key it covers, and the holder of its key. */
export interface Verified {
  address: Address
  holder: Keyholder
}

interface Signed {
  signature: string
  toSign: string
  /** V4 only. */
  canonical?: string
}

/** Signs each reading of the address until one gives the provided signature. Throws SignatureDoesNotMatch. */
export function matchAddress(
  addresses: readonly Address[],
  holder: Keyholder,
  provided: string,
  sign: (address: Address) => Signed,
): Verified {
  const attempts = addresses.map((address) => ({ address, ...sign(address) }))
  const match = attempts.find(({ signature }) => equalInConstantTime(signature, provided))
  if (match) return { address: match.address, holder }
  const { toSign, canonical } = attempts[0]!
  throw signatureMismatch(holder, provided, {
    StringToSign: toSign,
    StringToSignBytes: hex(utf8(toSign))
      .toUpperCase()
      .replace(/(..)(?=.)/g, '$1 '),
    ...(canonical === undefined ? {} : { CanonicalRequest: canonical }),
  })
}

export const signatureMismatch = (
  { accessKeyId }: Keyholder,
  provided: string,
  elements: Record<string, string> = {},
) =>
  refusal('SignatureDoesNotMatch', {
    ec: '0002-00000040',
    elements: { OSSAccessKeyId: accessKeyId, SignatureProvided: provided, ...elements },
  })

/** Throws RequestTimeTooSkewed. `requestTime` is the client's text for `time`. */
export function checkSkew(requestTime: string, time: number, now: Date): void {
  if (Math.abs(now.getTime() - time) <= SKEW_MS) return
  throw refusal('RequestTimeTooSkewed', {
    ec: '0002-00000504',
    elements: {
      MaxAllowedSkewMilliseconds: String(SKEW_MS),
      RequestTime: requestTime,
      ServerTime: now.toISOString(),
    },
  })
}
