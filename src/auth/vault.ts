// Seals secrets at rest with AES-256-GCM, under keys derived from the master keys. The first key seals; any of them opens.
import { base64url, fromBase64url, fromUtf8, utf8 } from '../bytes/encoding.ts'
import type { Vault } from '../core/ports/sealed.ts'
import { deriveKey } from '../core/token.ts'

const IV_BYTES = 12

export async function createVault(
  masters: ReadonlyArray<{ kid: string; secret: Uint8Array<ArrayBuffer> }>,
  randomBytes: (count: number) => Uint8Array<ArrayBuffer>,
): Promise<Vault> {
  const keys = await Promise.all(
    masters.map(async ({ kid, secret }) => ({
      kid,
      key: await crypto.subtle.importKey(
        'raw',
        (await deriveKey(secret, 'at-rest')) as Uint8Array<ArrayBuffer>,
        'AES-GCM',
        false,
        ['encrypt', 'decrypt'],
      ),
    })),
  )
  return {
    kids: masters.map(({ kid }) => kid),
    async seal(plain) {
      const { kid, key } = keys[0]!
      const iv = randomBytes(IV_BYTES)
      const sealed = await crypto.subtle.encrypt({ name: 'AES-GCM', iv }, key, utf8(plain))
      return `${kid}.${base64url(iv)}.${base64url(new Uint8Array(sealed))}`
    },
    async open(text) {
      const [kid, iv, sealed] = text.split('.')
      const key = keys.find((candidate) => candidate.kid === kid)?.key
      const bytes = fromBase64url(sealed ?? '')
      const nonce = fromBase64url(iv ?? '')
      if (!key || !bytes || !nonce) {
        throw new Error(
          `A stored secret was sealed with the key "${kid}", which SECRET_KEYS no longer lists`,
        )
      }
      return fromUtf8(
        new Uint8Array(await crypto.subtle.decrypt({ name: 'AES-GCM', iv: nonce }, key, bytes)),
      )
    },
  }
}
