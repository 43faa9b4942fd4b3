// Remembers for a minute that a token's signature held, because a client sends the same token with every batch of parts. It remembers
// nothing that a row decides: revocation, reach and origins are checked at each request.
import {
  type ClaimsOf,
  isExpired,
  openToken,
  type TokenKeys,
  type TokenKind,
} from '../core/token.ts'

const REMEMBERED_MS = 60_000
/** Of one kind, with tokens of at most 16 KiB. */
const MAX_REMEMBERED = 1000

interface Opened {
  /** As JSON, so that no request can change what another gets. */
  claims: string
  until: number
}

/** By the keys that verified them, so that other keys or another kind find nothing. */
const memories = new WeakMap<TokenKeys[TokenKind], Map<string, Opened>>()

/**
 * Like `openToken`, but a token whose signature held within the last minute is not verified again. An expired one always is; it is
 * returned as `openToken` does, and the caller checks the expiry.
 */
export async function openRemembered<Kind extends TokenKind>(
  keys: TokenKeys,
  kind: Kind,
  token: string,
  now: Date,
): Promise<ClaimsOf[Kind] | undefined> {
  const ring = keys[kind]
  let memory = memories.get(ring)
  if (!memory) {
    memory = new Map()
    memories.set(ring, memory)
  }
  const known = memory.get(token)
  if (known && now.getTime() < known.until) return JSON.parse(known.claims)
  memory.delete(token)

  const claims = await openToken(keys, kind, token)
  if (!claims || isExpired(claims, now)) return claims
  // A Map keeps the order of insertion.
  if (memory.size >= MAX_REMEMBERED) memory.delete(memory.keys().next().value!)
  const until = Math.min(now.getTime() + REMEMBERED_MS, claims.exp * 1000)
  memory.set(token, { claims: JSON.stringify(claims), until })
  return claims
}
