// As rsa.ts, with node:crypto: for Node, and for Workers with nodejs_compat. WebCrypto has no MD5.
import { createPublicKey, verify } from 'node:crypto'

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
    // Some runtimes throw for a signature of another length than the modulus.
    return false
  }
}
