// Signatures of outbound webhooks: Standard Webhooks 1.0, symmetric (`v1`).
// Source: standardwebhooks.com, specification, "Signature scheme".
import { base64, fromBase64, utf8 } from '../../bytes/encoding.ts'

const SECRET_PREFIX = 'whsec_'

/**
 * The value of `webhook-signature`: `v1,` and HMAC-SHA256 in base64 over id, Unix time in seconds and body, joined by
 * dots. `body` is the exact text that is sent. Throws a TypeError for a secret that is not `whsec_` and base64.
 */
export async function signWebhook(
  secret: string,
  id: string,
  timestampSeconds: number,
  body: string,
): Promise<string> {
  if (!Number.isSafeInteger(timestampSeconds)) {
    throw new TypeError('timestampSeconds must be whole seconds')
  }
  const key = await crypto.subtle.importKey(
    'raw',
    secretBytes(secret),
    { name: 'HMAC', hash: 'SHA-256' },
    false,
    ['sign'],
  )
  const content = utf8(`${id}.${timestampSeconds}.${body}`)
  const signature = await crypto.subtle.sign('HMAC', key, content)
  return `v1,${base64(new Uint8Array(signature))}`
}

/** The secret in its portable form; the specification asks for 24 to 64 random bytes. */
export function webhookSecret(randomBytes: Uint8Array): string {
  if (randomBytes.length < 24 || randomBytes.length > 64) {
    throw new TypeError('a webhook secret has 24 to 64 bytes')
  }
  return SECRET_PREFIX + base64(randomBytes)
}

function secretBytes(secret: string): Uint8Array<ArrayBuffer> {
  const bytes = secret.startsWith(SECRET_PREFIX)
    ? fromBase64(secret.slice(SECRET_PREFIX.length))
    : undefined
  // Never with the secret in the message.
  if (!bytes?.length) throw new TypeError('a webhook secret is whsec_ followed by base64')
  return bytes
}
