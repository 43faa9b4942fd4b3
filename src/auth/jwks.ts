// Public keys of trusted issuers, by URL: kept five minutes, used up to a day longer while a fresh copy is fetched,
// and fetched out of turn for an unknown key at most twice a minute per URL.
import { createLocalJWKSet, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose'

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
  /** When a fetch last ended, or, where there are keys to serve meanwhile, began. */
  triedAt: number
  running?: Promise<Entry | undefined>
}

export interface JwksOptions {
  fetch: typeof fetch
  clock: () => Date
  /** False where a promise may not be awaited by two requests: Workers. */
  sharePromises: boolean
  /** Says why a URL must not be fetched. */
  refuseUrl: (url: string) => string | undefined
}

async function load({ fetch: fetchFrom, refuseUrl }: JwksOptions, url: string) {
  const refused = refuseUrl(url)
  if (refused) throw new Error(refused)
  const response = await fetchFrom(url, {
    // Not 'error', which workerd does not have: a redirect is an answer that is not ok.
    redirect: 'manual',
    signal: AbortSignal.timeout(FETCH_TIMEOUT_MS),
    headers: { accept: 'application/json' },
  })
  if (!response.ok) throw new Error(`The JWKS answered ${response.status}`)
  const reader = response.body?.getReader()
  const chunks: Uint8Array[] = []
  for (let size = 0; reader; ) {
    const { done, value } = await reader.read()
    if (done) break
    size += value.length
    if (size > MAX_BYTES) {
      await reader.cancel()
      throw new Error('The JWKS is too large')
    }
    chunks.push(value)
  }
  const text = await new Blob(chunks as Uint8Array<ArrayBuffer>[]).text()
  return createLocalJWKSet(JSON.parse(text) as JSONWebKeySet)
}

/** Lives as long as the process or isolate; what it answers looks keys up for one request, whose `background` it uses. */
export function jwksCache(options: JwksOptions) {
  const slots = new Map<string, Slot>()

  function refresh(slot: Slot, url: string): Promise<Entry | undefined> {
    if (slot.running && options.sharePromises) return slot.running
    slot.running = (async () => {
      const began = options.clock().getTime()
      // Without keys to serve meanwhile nobody is put off: the other request, unless it shares this one, fetches, too.
      if (slot.entry && began - slot.entry.fetchedAt <= STALE_MS) slot.triedAt = began
      try {
        slot.entry = { keys: await load(options, url), fetchedAt: options.clock().getTime() }
      } catch {
        // The old keys serve on; the next request after the interval tries again.
      } finally {
        slot.triedAt = options.clock().getTime()
        slot.running = undefined
      }
      return slot.entry
    })()
    return slot.running
  }

  /** Undefined where there is no key set to be had. `wanted: 'newer'` asks for an unknown key's sake. */
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
    const ageOf = (entry: Entry | undefined) =>
      entry ? now - entry.fetchedAt : Number.POSITIVE_INFINITY
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
