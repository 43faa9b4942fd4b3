// MD5, which OSS signs callbacks and checks bodies with. WebCrypto has none; node:crypto has it on Node and, with
// nodejs_compat, on Workers. MD5 is broken for collisions: nothing may rely on it where another party chooses the bytes.
import { createHash, createPublicKey, verify } from 'node:crypto'

/** The value of a Content-MD5 header. */
export const contentMd5 = (body: string | Uint8Array): string =>
  createHash('md5').update(body).digest('base64')

/** The base64 of the MD5's hex digits, which MNS sends instead ("Verify the signature", SMQ). */
export const contentMd5OfHex = (body: Uint8Array): string =>
  btoa(createHash('md5').update(body).digest('hex'))

/** RSASSA-PKCS1-v1_5 with MD5. False for any bad signature; throws for a key that is not an RSA public key. */
export function verifyRsaMd5(
  publicKeyPem: string,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  const key = createPublicKey(publicKeyPem)
  if (key.asymmetricKeyType !== 'rsa') throw new TypeError('not an RSA public key in SPKI PEM')
  try {
    return verify('md5', message, key, signature)
  } catch {
    // Some runtimes throw if the signature and the modulus differ in length.
    return false
  }
}
