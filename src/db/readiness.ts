// Does the database answer, can its secrets be opened, and does it answer with what was written? A pool with query caching, as Hyperdrive's by
// default, repeats an older answer to the same read; every guard and every resume would then decide on the past.
import { sql } from 'drizzle-orm'
import { type SealedDb, unlistedKeys } from '../core/ports/sealed.ts'
import type { Database } from './connect.ts'

/** Of no tenant, but in the key all the same. */
const NO_APP = ''
/** Fresh reads are looked into again after this long; in between, and always first, one question is asked. */
const VERIFIED_MS = 60_000

export interface ReadinessMemory {
  verifiedAt: number
}

/** Throws where the database does not answer. False: reads come from a cache. */
export async function readsAreFresh(
  database: Database,
  memory: ReadinessMemory,
  now: Date,
): Promise<boolean> {
  await countedWrites(database)
  if (now.getTime() - memory.verifiedAt < VERIFIED_MS) return true
  const written = await countWrite(database)
  // Others write too, so this read may be ahead of our own write, never behind it.
  const fresh = (await countedWrites(database)) >= written
  if (fresh) memory.verifiedAt = now.getTime()
  return fresh
}

/** What the operator has to do where rows name a key that is not listed. Asked at most once a minute while all are. */
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

/** The same bytes each time, with a parameter as every other statement has: what a cache would keep. */
async function countedWrites(database: Database): Promise<bigint> {
  const rows = await database.execute<{ writes: string }>(
    sql`select writes from readiness where app_id = ${NO_APP}`,
  )
  return BigInt(rows[0]?.writes ?? 0)
}

/** One row for all processes, so that it stays one row however many ask. */
async function countWrite(database: Database): Promise<bigint> {
  const rows = await database.execute<{ writes: string }>(sql`
    insert into readiness (app_id, writes) values (${NO_APP}, 1)
    on conflict (app_id) do update set writes = readiness.writes + 1 returning writes`)
  return BigInt(rows[0]!.writes)
}
