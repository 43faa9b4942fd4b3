// `/readyz` checks that a read sees the write before it. Behind a pool that caches queries, the service must not be ready.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { connect } from '../../src/db/connect.ts'
import { type ReadinessMemory, readsAreFresh } from '../../src/db/readiness.ts'
import { cachingPool } from '../support/caching-pool.ts'
import { freshDatabase } from '../support/postgres.ts'

const NOW = new Date('2026-01-01T00:00:00Z')
const LATER = new Date('2026-01-01T00:01:00Z')
const never = (): ReadinessMemory => ({ verifiedAt: Number.NEGATIVE_INFINITY })

let fresh: Awaited<ReturnType<typeof freshDatabase>>
let pool: Awaited<ReturnType<typeof cachingPool>>
let statements = 0
let direct: ReturnType<typeof connect>
let cached: ReturnType<typeof connect>

beforeAll(async () => {
  fresh = await freshDatabase()
  pool = await cachingPool(fresh.url)
  direct = connect(fresh.url, { maxConnections: 8, onStatement: () => statements++ })
  cached = connect(pool.url, { maxConnections: 1 })
})
afterAll(async () => {
  await Promise.all([direct.close(), cached.close()])
  await pool.close()
  await fresh.drop()
})

it('finds reads fresh without a cache, even with many checks at once, and leaves a single row', async () => {
  const asked = Array.from({ length: 40 }, () => readsAreFresh(direct.database, never(), NOW))

  expect(new Set(await Promise.all(asked))).toEqual(new Set([true]))
  expect(await direct.database.execute('select writes from readiness')).toEqual([{ writes: '40' }])
})

it('writes at most once a minute, and asks the database each time', async () => {
  const memory = never()
  const cost = async (now: Date) => {
    const before = statements
    expect(await readsAreFresh(direct.database, memory, now)).toBe(true)
    return statements - before
  }

  expect([await cost(NOW), await cost(NOW), await cost(LATER)]).toEqual([3, 1, 3])
})

it('finds a cache, and checks again each time until it is gone', async () => {
  const memory = never()

  expect(await readsAreFresh(cached.database, memory, NOW)).toBe(false)
  expect(pool.hits()).toBeGreaterThan(0)
  expect(await readsAreFresh(cached.database, memory, NOW)).toBe(false)
  expect(await readsAreFresh(direct.database, memory, NOW)).toBe(true)
})

it('throws if the database does not answer', async () => {
  const nobody = connect('postgres://x:y@127.0.0.1:1/z', { maxConnections: 1 })
  await expect(readsAreFresh(nobody.database, never(), NOW)).rejects.toThrow()
  await nobody.close()
})
