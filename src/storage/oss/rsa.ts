// RSASSA-PKCS1-v1_5 with MD5 (RFC 8017 §8.2.2) where the runtime has no MD5: the whole padded block is built and
// compared, never parsed, so that no lax reading of the padding can be exploited. Verifies only.
import { fromBase64, hex } from '../../bytes/encoding.ts'
import { md5 } from '../../bytes/md5.ts'

/** DigestInfo of MD5, up to the digest itself (RFC 8017 §9.2, note 1). */
const DIGEST_INFO = [
  0x30, 0x20, 0x30, 0x0c, 0x06, 0x08, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x02, 0x05, 0x05, 0x00,
  0x04, 0x10,
] as const

/** AlgorithmIdentifier of rsaEncryption with NULL parameters (RFC 8017 §A.1), as its DER content. */
const RSA_ENCRYPTION = '06092a864886f70d0101010500'

const MIN_PADDING_BYTES = 8
const SEQUENCE = 0x30
const INTEGER = 0x02
const BIT_STRING = 0x03

interface RsaPublicKey {
  modulus: bigint
  exponent: bigint
  sizeBytes: number
}

/**
 * True where the signature holds. Anything else about the signature is false, never a throw. Throws a TypeError for
 * a key that is not an RSA key in SPKI PEM: that is a mistake in the configuration.
 */
export function verifyRsaMd5(
  publicKeyPem: string,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  const { modulus, exponent, sizeBytes } = readPublicKey(publicKeyPem)
  if (signature.length !== sizeBytes) return false
  const value = integerOf(signature)
  if (value >= modulus) return false
  const expected = paddedBlock(md5(message), sizeBytes)
  return expected !== undefined && power(value, exponent, modulus) === integerOf(expected)
}

/** EMSA-PKCS1-v1_5: 00 01 FF … FF 00 DigestInfo digest. Undefined where the modulus is too short for it. */
function paddedBlock(digest: Uint8Array, sizeBytes: number): Uint8Array | undefined {
  const start = sizeBytes - DIGEST_INFO.length - digest.length
  if (start < MIN_PADDING_BYTES + 3) return undefined
  const block = new Uint8Array(sizeBytes).fill(0xff, 2, start - 1)
  block[1] = 1
  block.set(DIGEST_INFO, start)
  block.set(digest, start + DIGEST_INFO.length)
  return block
}

const integerOf = (bytes: Uint8Array): bigint => BigInt(`0x${hex(bytes) || '0'}`)

function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n
  let square = base
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * square) % modulus
    square = (square * square) % modulus
  }
  return result
}

const notAKey = () => new TypeError('not an RSA public key in SPKI PEM')

/** SubjectPublicKeyInfo (RFC 5280 §4.1) around RSAPublicKey (RFC 8017 §A.1.1). */
function readPublicKey(pem: string): RsaPublicKey {
  const label = 'PUBLIC KEY-----'
  const text = pem.trim()
  if (!text.startsWith(`-----BEGIN ${label}`) || !text.endsWith(`-----END ${label}`)) {
    throw notAKey()
  }
  const der = fromBase64(text.slice(11 + label.length, -9 - label.length).replace(/\s/g, ''))
  if (!der) throw notAKey()
  const [algorithm, bits] = readMembers(readOnly(der, SEQUENCE), [SEQUENCE, BIT_STRING])
  // The first byte of a bit string counts the unused bits of the last.
  if (hex(algorithm!) !== RSA_ENCRYPTION || bits![0] !== 0) throw notAKey()
  const [modulus, exponent] = readMembers(readOnly(bits!.subarray(1), SEQUENCE), [INTEGER, INTEGER])
  return {
    modulus: positive(modulus!),
    exponent: positive(exponent!),
    sizeBytes: modulus!.length - (modulus![0] === 0 ? 1 : 0),
  }
}

function positive(content: Uint8Array): bigint {
  const value = integerOf(content)
  const [first = 0, second = 0] = content
  if (value === 0n || first >= 0x80 || (first === 0 && second < 0x80)) throw notAKey()
  return value
}

const readOnly = (der: Uint8Array, tag: number): Uint8Array => readMembers(der, [tag])[0]!

/** The contents of DER elements with exactly these tags, one after the other and nothing behind them. */
function readMembers(der: Uint8Array, tags: readonly number[]): Uint8Array[] {
  let at = 0
  const members = tags.map((tag) => {
    if (der[at] !== tag) throw notAKey()
    const { length, start } = readLength(der, at + 1)
    at = start + length
    if (at > der.length) throw notAKey()
    return der.subarray(start, at)
  })
  if (at !== der.length) throw notAKey()
  return members
}

function readLength(der: Uint8Array, at: number): { length: number; start: number } {
  const first = der[at] ?? 0x80
  if (first < 0x80) return { length: first, start: at + 1 }
  const count = first & 0x7f
  const start = at + 1 + count
  if (count < 1 || count > 2 || start > der.length) throw notAKey()
  return { length: Number(integerOf(der.subarray(at + 1, start))), start }
}
