// Secrets at rest. Each row names the key of SECRET_KEYS that sealed its secret. The first key seals, and another key can be
// removed once no row names it.

/** Encrypts secrets at rest. */
export interface Vault {
  /** Names of the keys. The first seals. A sealed text begins with the key's name and a dot. */
  kids: readonly string[]
  seal(plain: string): Promise<string>
  open(sealed: string): Promise<string>
}

export type SealedKind = 'issuer' | 'webhook endpoint'

/** A sealed secret as it was read. */
export interface SealedSecret {
  appId: string
  kind: SealedKind
  id: string
  sealed: string
}

/** How many rows of a kind name a key, and whether SECRET_KEYS lists that key first, later or not at all. */
export interface SealedCount {
  kid: string
  kind: SealedKind
  count: number
  key: 'first' | 'later' | 'unlisted'
}

export interface SealedDb {
  /** Over all apps. */
  counts(): Promise<SealedCount[]>
  /** Secrets that another key than the first sealed, in a fixed order, starting after `after`. */
  sealedByOthers(limit: number, after?: SealedSecret): Promise<SealedSecret[]>
  /** Compare-and-set on the sealed text: false if the row has changed since. Throws if the secret cannot be opened. */
  reseal(secret: SealedSecret): Promise<boolean>
}

const PLURAL: Record<SealedKind, string> = {
  issuer: 'issuers',
  'webhook endpoint': 'webhook endpoints',
}

/** Tells the operator what to do about keys that rows name and SECRET_KEYS lacks. Undefined if there are none. */
export function unlistedKeys(counts: readonly SealedCount[]): string | undefined {
  const unlisted = counts.filter(({ key }) => key === 'unlisted')
  if (!unlisted.length) return undefined
  const kids = [...new Set(unlisted.map(({ kid }) => kid))]
  const missing = kids.map((kid) => {
    const rows = unlisted
      .filter((counted) => counted.kid === kid)
      .map(({ kind, count }) => `${count} ${count === 1 ? kind : PLURAL[kind]}`)
    return `"${kid}" (the secrets of ${rows.join(' and ')} are sealed with it)`
  })
  const [key, it] = kids.length === 1 ? ['the key', 'it'] : ['the keys', 'them']
  return (
    `lacks ${key} ${missing.join(' and ')}. ` +
    `List ${it} again behind the others, run "countersign keys reseal", and only then remove ${it} (docs/operations.md).`
  )
}
