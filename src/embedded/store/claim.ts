// What a request claims with its signature, and what is known once the signature holds.
import { hex, utf8 } from '../../bytes/encoding.ts'
import { refusal } from './refusal.ts'
import type { Keyholder } from './sts/keyring.ts'
import type { Address } from './wire.ts'

/** What the signature proves: which bucket and key are meant, and by whom. */
export interface Verified {
  address: Address
  holder: Keyholder
}

/** What a request says about its own signature. */
export interface Claim {
  credential: string
  dateTime: string
  /** The time as the string to sign has it, where that is not `dateTime`. */
  dateText?: string
  additionalHeaders: string[]
  signature: string
}

export function mismatch(
  claim: Claim,
  accessKeyId: string,
  { canonical, toSign }: { canonical: string; toSign: string },
) {
  return refusal('SignatureDoesNotMatch', {
    ec: '0002-00000040',
    elements: {
      OSSAccessKeyId: accessKeyId,
      SignatureProvided: claim.signature,
      StringToSign: toSign,
      StringToSignBytes: hex(utf8(toSign))
        .toUpperCase()
        .replace(/(..)(?=.)/g, '$1 '),
      CanonicalRequest: canonical,
    },
  })
}
