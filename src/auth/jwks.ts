// Caches the public keys of trusted issuers by URL. A copy is fresh for five minutes and serves for up to a day while it is
// refreshed. An unknown key causes at most two fetches a minute per URL. Only a set with a usable key replaces another.
// Why this is not jose's createRemoteJWKSet: docs/decisions/0012-jwks.md.
import { createLocalJWKSet, importJWK, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose'
import { exchange } from '../net/exchange.ts'

const FRESH_MS = 5 * 60_000
const STALE_MS = 24 * 3600_000
const REFRESH_INTERVAL_MS = 30_000
const FETCH_TIMEOUT_MS = 5_000
const MAX_BYTES = 256 * 1024
const MAX_URLS = 1_000

interface Entry {
  keys: JWTVerifyGetKey
  fetchedAt: number
}

interface Slot {
  entry?: Entry
  /** When a fetch last ended, or began while older keys still served. */
  triedAt: number
  running?: Promise<Entry | undefined>
}

export interface JwksOptions {
  /** Must refuse URLs and addresses that tenants may not name. */
  fetch: typeof fetch
  clock: () => Date
  /** False on Workers, where two requests must not await one promise. */
  sharePromises: boolean
  timeoutMs?: number
}

async function load({ fetch: fetchFrom, timeoutMs = FETCH_TIMEOUT_MS }: JwksOptions, url: string) {
  const init = { headers: { accept: 'application/json' } }
  const answer = await exchange(fetchFrom, url, init, { timeoutMs, maxBytes: MAX_BYTES })
  if (answer.status !== 200) throw new Error(`The JWKS answered ${answer.status}`)
  const keySet: unknown = JSON.parse(new TextDecoder().decode(answer.body()))
  const keys = createLocalJWKSet(keySet as JSONWebKeySet) // Throws if it is not a key set.
  if (!(await hasUsableKey(keys.jwks()))) throw new Error('The JWKS has no key that verifies')
  return keys
}

/** The algorithms to try an import with. When a token is verified, the issuer's own decide. */
const ALGORITHM_OF: Record<string, string> = {
  RSA: 'RS256',
  'P-256': 'ES256',
  'P-384': 'ES384',
  'P-521': 'ES512',
  Ed25519: 'EdDSA',
}

/** The set may contain keys of other kinds as well (RFC 7517 §5). */
async function hasUsableKey({ keys }: JSONWebKeySet): Promise<boolean> {
  for (const key of keys) {
    const algorithm = ALGORITHM_OF[(key.kty === 'RSA' ? key.kty : key.crv) ?? '']
    if (!algorithm || (key.use ?? 'sig') !== 'sig') continue
    const imported = await importJWK(key, key.alg ?? algorithm).catch(() => undefined)
    if (imported) return true
  }
  return false
}

/** Lives as long as the process or isolate. The function that it returns is called once per request, with its `background`. */
export function jwksCache(options: JwksOptions) {
  const slots = new Map<string, Slot>()

  function refresh(slot: Slot, url: string): Promise<Entry | undefined> {
    if (slot.running && options.sharePromises) return slot.running
    slot.running = (async () => {
      const began = options.clock().getTime()
      // Without older keys to serve, another request must not be turned away: it shares this fetch or begins its own.
      if (slot.entry && began - slot.entry.fetchedAt <= STALE_MS) slot.triedAt = began
      try {
        slot.entry = { keys: await load(options, url), fetchedAt: options.clock().getTime() }
      } catch {
        // The old keys still serve, and a request after the interval tries again.
      } finally {
        slot.triedAt = options.clock().getTime()
        slot.running = undefined
      }
      return slot.entry
    })()
    return slot.running
  }

  /** Undefined if no key set is available. `wanted: 'newer'` fetches because the token's key is unknown. */
  async function keysOf(
    background: (work: Promise<unknown>) => void,
    url: string,
    wanted: 'any' | 'newer',
  ): Promise<JWTVerifyGetKey | undefined> {
    const now = options.clock().getTime()
    let slot = slots.get(url)
    if (!slot) {
      if (slots.size >= MAX_URLS) slots.delete(slots.keys().next().value!)
      slot = { triedAt: Number.NEGATIVE_INFINITY }
      slots.set(url, slot)
    }
    const mayTry = now - slot.triedAt >= REFRESH_INTERVAL_MS
    const ageOf = (entry?: Entry) => (entry ? now - entry.fetchedAt : Number.POSITIVE_INFINITY)
    const age = ageOf(slot.entry)
    if (age > STALE_MS || wanted === 'newer') {
      const mayJoin = slot.running && options.sharePromises
      const entry = mayJoin || mayTry ? await refresh(slot, url) : slot.entry
      return ageOf(entry) > STALE_MS ? undefined : entry?.keys
    }
    if (age > FRESH_MS && mayTry) background(refresh(slot, url))
    return slot.entry?.keys
  }

  return (background: (work: Promise<unknown>) => void) =>
    (url: string, wanted: 'any' | 'newer' = 'any') =>
      keysOf(background, url, wanted)
}

export type JwksCache = ReturnType<ReturnType<typeof jwksCache>>
