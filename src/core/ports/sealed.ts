// Secrets at rest: which rows hold one, and which key of SECRET_KEYS each was sealed with. The first key seals, so a key
// can go once no row names it any more.

/** Encrypts secrets at rest. */
export interface Vault {
  /** Names of its keys. The first seals, and its name stands in front of the sealed text, with a dot behind it. */
  kids: readonly string[]
  seal(plain: string): Promise<string>
  open(sealed: string): Promise<string>
}

export type SealedKind = 'issuer' | 'webhook endpoint'

/** Where a sealed secret stands, and the text that stood there when it was read. */
export interface SealedSecret {
  appId: string
  kind: SealedKind
  id: string
  sealed: string
}

/** How many rows of a kind name a key: the first of SECRET_KEYS, a later one, or one that it does not list. */
export interface SealedCount {
  kid: string
  kind: SealedKind
  count: number
  key: 'first' | 'later' | 'unlisted'
}

export interface SealedDb {
  /** Over all apps, in one statement. */
  counts(): Promise<SealedCount[]>
  /** Those that the first key did not seal, in a fixed order, beginning behind `after`. */
  sealedByOthers(limit: number, after?: SealedSecret): Promise<SealedSecret[]>
  /** Compare-and-set on the sealed text: false if the row has changed since. Throws if the secret cannot be opened. */
  reseal(secret: SealedSecret): Promise<boolean>
}

const PLURAL: Record<SealedKind, string> = {
  issuer: 'issuers',
  'webhook endpoint': 'webhook endpoints',
}

/** What an operator has to do about keys that rows name and SECRET_KEYS lacks; undefined if there are none. */
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
