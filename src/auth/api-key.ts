// Api keys: `csk_<app>_<secret>`. The app is in the key, so that every lookup stays within one tenant; only a hash is stored.
import { base64url } from '../bytes/encoding.ts'
import { sha256Hex } from '../bytes/sha256.ts'
import type { AppsDb } from '../core/ports/apps.ts'
import type { ApiKeyPrincipal } from '../core/principal.ts'

const SECRET_BYTES = 32
const API_KEY = /^csk_([0-9a-f]{32})_[A-Za-z0-9_-]{43}$/

export function newApiKey(
  appId: string,
  randomBytes: (count: number) => Uint8Array,
): { apiKey: string; hash: string } {
  const apiKey = `csk_${appId.slice('app_'.length)}_${base64url(randomBytes(SECRET_BYTES))}`
  return { apiKey, hash: sha256Hex(apiKey) }
}

export const looksLikeApiKey = (token: string): boolean => token.startsWith('csk_')

/** The secret has 256 bits, so a plain hash is enough, and the time of its lookup reveals nothing. */
export async function verifyApiKey(
  apps: AppsDb,
  token: string,
): Promise<ApiKeyPrincipal | undefined> {
  const app = API_KEY.exec(token)?.[1]
  if (!app) return undefined
  const appId = `app_${app}`
  const found = await apps.findApiKey(appId, sha256Hex(token))
  return found && { kind: 'api-key', appId, keyId: found.keyId }
}
