// SHA-256 and HMAC-SHA256, synchronous in every runtime.
import { Sha256 } from '@aws-crypto/sha256-js'
import { hex } from './encoding.ts'

export function hmacSha256(key: Uint8Array | string, message: Uint8Array | string): Uint8Array {
  const hash = new Sha256(key)
  hash.update(message)
  return hash.digestSync()
}

export function sha256Hex(message: Uint8Array | string): string {
  const hash = new Sha256()
  hash.update(message)
  return hex(hash.digestSync())
}
