// Checks that the database answers, that its secrets can be opened, and that it returns what was written. A pool that caches
// queries, as Hyperdrive does by default, repeats older answers, so that every guard would decide on outdated rows.
import { sql } from 'drizzle-orm'
import { type SealedDb, unlistedKeys } from '../core/ports/sealed.ts'
import type { Database } from './connect.ts'

/** The row belongs to no tenant, but every key holds app_id. */
const NO_APP = ''
/** How long a verified answer holds. Until then, a check only asks whether the database answers. */
const VERIFIED_MS = 60_000

export interface ReadinessMemory {
  verifiedAt: number
}

/** Returns false if reads come from a cache. Throws if the database does not answer. */
export async function readsAreFresh(
  database: Database,
  memory: ReadinessMemory,
  now: Date,
): Promise<boolean> {
  await countedWrites(database)
  if (now.getTime() - memory.verifiedAt < VERIFIED_MS) return true
  const written = await countWrite(database)
  // Other processes write too, so a fresh read may be ahead of our own write, but never behind it.
  const fresh = (await countedWrites(database)) >= written
  if (fresh) memory.verifiedAt = now.getTime()
  return fresh
}

/** What the operator must do if rows name an unlisted key. While every key is listed, it asks at most once a minute. */
export async function missingKeys(
  sealed: SealedDb,
  memory: ReadinessMemory,
  now: Date,
): Promise<string | undefined> {
  if (now.getTime() - memory.verifiedAt < VERIFIED_MS) return undefined
  const missing = unlistedKeys(await sealed.counts())
  if (!missing) memory.verifiedAt = now.getTime()
  return missing
}

/** The same bytes each time, with a parameter like every other statement, so that a cache would store its answer. */
async function countedWrites(database: Database): Promise<bigint> {
  const rows = await database.execute<{ writes: string }>(
    sql`select writes from readiness where app_id = ${NO_APP}`,
  )
  return BigInt(rows[0]?.writes ?? 0)
}

/** All processes share one row, so that the table does not grow. */
async function countWrite(database: Database): Promise<bigint> {
  const rows = await database.execute<{ writes: string }>(sql`
    insert into readiness (app_id, writes) values (${NO_APP}, 1)
    on conflict (app_id) do update set writes = readiness.writes + 1 returning writes`)
  return BigInt(rows[0]!.writes)
}
