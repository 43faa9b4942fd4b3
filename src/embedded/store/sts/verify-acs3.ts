// Verifies the ACS3 signature of an API call over the bytes received: key, date, body and signed headers. A nonce is
// accepted once.
// Source: Alibaba Cloud, "V3 request syntax and signature".
import { equalInConstantTime } from '../../../bytes/encoding.ts'
import { sha256Hex } from '../../../bytes/sha256.ts'
import {
  ACS3_ALGORITHM,
  acs3CanonicalRequest,
  acs3Signature,
  acs3StringToSign,
} from '../../../storage/aliyun/acs3.ts'
import { SKEW_MS } from '../signature/match.ts'
import type { WireRequest } from '../wire.ts'
import type { StoreKey } from './keyring.ts'

/** Beyond this, the oldest nonces are forgotten before their time. */
const MAX_NONCES = 10_000

export const fault = (code: string, message: string, status = 400) => ({ status, code, message })
export type Fault = ReturnType<typeof fault>

export type Acs3Verifier = ReturnType<typeof acs3Verifier>

export function acs3Verifier(options: StoreKey) {
  const nonces = new Map<string, number>()

  function checkNonce(nonce: string, now: number): Fault | undefined {
    for (const [old, expiresAt] of nonces) {
      if (expiresAt > now && nonces.size < MAX_NONCES) break
      nonces.delete(old)
    }
    if (!nonce || nonces.has(nonce)) {
      return fault('SignatureNonceUsed', 'The signature nonce was used already.')
    }
    nonces.set(nonce, now + 2 * SKEW_MS)
    return undefined
  }

  /** Returns undefined if the signature is valid. */
  return (wire: WireRequest, body: string): Fault | undefined =>
    verify(wire, body, options) ??
    checkNonce(wire.headers['x-acs-signature-nonce'] ?? '', options.clock().getTime())
}

function verify(
  { method, query, headers }: WireRequest,
  body: string,
  { accessKeyId, secretAccessKey, clock }: StoreKey,
): Fault | undefined {
  const match =
    /^ACS3-HMAC-SHA256 Credential=([^,]+),\s*SignedHeaders=([^,]+),\s*Signature=([0-9a-f]{64})$/.exec(
      headers.authorization ?? '',
    )
  if (!match) return fault('MissingAuthorization', `Sign with ${ACS3_ALGORITHM}.`)
  const [, id = '', list = '', signature = ''] = match
  if (!equalInConstantTime(id, accessKeyId)) {
    return fault('InvalidAccessKeyId.NotFound', 'The access key id is not known.', 404)
  }
  const date = Date.parse(headers['x-acs-date'] ?? '')
  if (!(Math.abs(clock().getTime() - date) <= SKEW_MS)) {
    return fault('InvalidTimeStamp.Expired', 'x-acs-date is more than 15 minutes off.')
  }
  if (headers['x-acs-content-sha256'] !== sha256Hex(body)) {
    return fault('InvalidContentSha256', 'x-acs-content-sha256 is not the hash of the body.')
  }
  const names = list.split(';')
  const unsigned = Object.keys(headers).filter(
    (name) =>
      (name === 'host' || name === 'content-type' || name.startsWith('x-acs-')) &&
      !names.includes(name),
  )
  if (unsigned.length) return fault('IncompleteSignature', `Not signed: ${unsigned.join(', ')}.`)
  const canonical = acs3CanonicalRequest({ method, path: '/', query: [...query], headers }, names)
  if (equalInConstantTime(acs3Signature(secretAccessKey, acs3StringToSign(canonical)), signature)) {
    return undefined
  }
  return fault('SignatureDoesNotMatch', 'The signature does not match.')
}
