// The keys that seal secrets at rest: a start requires all that rows name, and `countersign reseal` seals with the first.
import { createVault } from '../auth/vault.ts'
import { ConfigError, parseSecretKeys, type Variables } from '../config.ts'
import { unbounded } from '../core/ports/budget.ts'
import type { Log } from '../core/ports/log.ts'
import { unlistedKeys } from '../core/ports/sealed.ts'
import type { Services } from '../core/ports/services.ts'
import { connect } from '../db/connect.ts'
import { sealedDb } from '../db/sealed.ts'
import { reseal } from '../schedule/reseal.ts'

/** Throws ConfigError if rows name a key that is not listed: webhooks would stop, and JWTs of issuers with a secret fail. */
export async function requireKeys(
  { missingKeys }: Pick<Services, 'missingKeys'>,
  listedIn = 'SECRET_KEYS',
): Promise<void> {
  const missing = await missingKeys()
  if (missing) throw new ConfigError(`${listedIn}: ${missing}`)
}

/**
 * Seals every secret with the first key while the service runs. `missing` says what to do if rows name keys that SECRET_KEYS
 * lacks. Throws ConfigError for a bad DATABASE_URL or SECRET_KEYS.
 */
export async function resealAll(
  variables: Variables,
  { log, progress }: { log: Log; progress: (done: number, all: number) => void },
) {
  const { databaseUrl, secretKeys } = parseSecretKeys(variables)
  const { database, close } = connect(databaseUrl, { maxConnections: 1 })
  try {
    const vault = await createVault(secretKeys, (count) =>
      crypto.getRandomValues(new Uint8Array(count)),
    )
    const sealed = sealedDb(database, vault)
    const counts = await sealed.counts()
    const all = counts.reduce((sum, { key, count }) => sum + (key === 'first' ? 0 : count), 0)
    const done = await reseal(
      { sealed, budget: unbounded, log },
      { progress: (looked) => progress(looked, Math.max(all, looked)) },
    )
    return { ...done, kid: vault.kids[0]!, missing: unlistedKeys(await sealed.counts()) }
  } finally {
    await close()
  }
}
