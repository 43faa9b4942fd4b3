// Four processes, one database, one store; processes are killed and restarted at random while clients work. Every session
// ends once, every event is told once (repeats with the same bytes), and connections stay few.
import { setTimeout as pause } from 'node:timers/promises'
import postgres from 'postgres'
import { expect, it } from 'vitest'
import { freshDatabase } from '../support/postgres.ts'
import { clientOf, type Outcome, type Tenant } from './client.ts'
import { type Fleet, startFleet } from './fleet.ts'
import { faultsOf, unsettled } from './ledger.ts'
import { type Random, randomFrom } from './random.ts'
import { startReceiver } from './receiver.ts'
import { startStore } from './store.ts'

const SESSIONS = Number(process.env.SCALE_SESSIONS ?? 1_000)
const SEED = Number(process.env.SCALE_SEED ?? Math.floor(Math.random() * 2 ** 31))
const PROCESSES = 4
const POOL = 5
const CLIENTS = 32
const APPS = 4
const ADMIN_KEY = 'an-admin-key-for-the-processes'
/** Idle ones expire while the test still runs. */
const POLICY = { direct: true, idleSeconds: 90 }
const KILL_EVERY_MS = [1_500, 4_000] as const
/** Of a session whose process died in the middle: lease, sweep and one retry, with room. */
const SETTLE_MS = 8 * 60_000

async function post(fleet: Fleet, path: string, key: string, body: unknown) {
  const response = await fetch(`${fleet.any().url}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  expect(response.status).toBe(201)
  return (await response.json()) as Record<string, any>
}

/** Kills until told to stop; answers how often. */
function killing(fleet: Fleet, random: Random) {
  const [least, most] = KILL_EVERY_MS
  let going = true
  const done = (async () => {
    while (going) {
      await pause(least + random() * (most - least))
      if (going) await fleet.replaceOne()
    }
  })()
  return async () => {
    going = false
    await done
  }
}

/** The most connections of the service that were open at once. */
function watchingConnections(sql: postgres.Sql) {
  let most = 0
  let going = true
  const done = (async () => {
    while (going) {
      const [row] = await sql`select count(*)::int as open from pg_stat_activity
        where datname = current_database() and application_name = 'countersign'`
      most = Math.max(most, row!.open)
      await pause(200)
    }
  })()
  return async () => {
    going = false
    await done
    return most
  }
}

it(`${SESSIONS} sessions over ${PROCESSES} processes that die and come back each end once (SCALE_SEED=${SEED})`, async () => {
  const random = randomFrom(SEED)
  const [database, store, receiver] = await Promise.all([
    freshDatabase(),
    startStore(),
    startReceiver(2),
  ])
  const sql = postgres(database.url, { max: 3 })
  const environment = {
    ...store.environment,
    DATABASE_URL: database.serviceUrl,
    DATABASE_POOL_SIZE: String(POOL),
    DRAIN_SECONDS: '1',
    ADMIN_KEY,
    SECRET_KEYS: `k1:${Buffer.alloc(32, 7).toString('base64url')}`,
    WEBHOOK_ALLOW_PRIVATE: 'true',
    LOG_LEVEL: 'warn',
  }
  const fleet = await startFleet(PROCESSES, environment, random)
  const tenants: Tenant[] = []
  for (let n = 0; n < APPS; n++) {
    const app = await post(fleet, '/v1/apps', ADMIN_KEY, { name: `app ${n}`, policy: POLICY })
    for (const url of receiver.urls) await post(fleet, '/v1/webhook-endpoints', app.apiKey, { url })
    tenants.push(app as unknown as Tenant)
  }

  const connections = watchingConnections(sql)
  const stopKilling = killing(fleet, random)
  const began = Date.now()
  const outcomes: Outcome[] = []
  const live = clientOf(fleet, random)
  let next = 0
  const worker = async () => {
    while (next < SESSIONS) {
      const number = next++
      outcomes.push(await live(tenants[number % APPS]!, number))
    }
  }
  await Promise.all(Array.from({ length: CLIENTS }, worker))
  await stopKilling()
  const loadSeconds = Math.round((Date.now() - began) / 1000)
  const mostConnections = await connections()

  let left = await unsettled(sql)
  for (const until = Date.now() + SETTLE_MS; left.sessions + left.owed > 0; ) {
    if (Date.now() > until) break
    await pause(1_000)
    left = await unsettled(sql)
  }
  const settledSeconds = Math.round((Date.now() - began) / 1000)
  const told = new Map<string, number>()
  for (const outcome of outcomes) {
    const state = outcome.told ?? 'left'
    told.set(state, (told.get(state) ?? 0) + 1)
  }
  console.log(
    `${SESSIONS} sessions in ${loadSeconds} s, settled after ${settledSeconds} s;`,
    `${fleet.ends.killed} SIGKILL, ${fleet.ends.stopped} SIGTERM; at most ${mostConnections} connections;`,
    [...told].map(([state, count]) => `${state} ${count}`).join(', '),
  )

  expect(left).toEqual({ sessions: 0, owed: 0 })
  expect(await faultsOf(sql, outcomes, receiver)).toEqual([])
  expect(fleet.ends.killed).toBeGreaterThan(0)
  expect(fleet.ends.badExits).toBe(0)
  // Those of one process that has just been killed may still be going away.
  expect(mostConnections).toBeLessThanOrEqual((PROCESSES + 1) * POOL)
  expect(await fleet.stop()).toEqual(Array(PROCESSES).fill(0))
  await sql.end()
  await Promise.all([receiver.close(), store.close()])
  await database.drop()
})
