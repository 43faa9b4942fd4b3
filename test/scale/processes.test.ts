// Four processes, one database, one store; processes are killed and restarted at random while clients work. Every session
// ends once, every event is told once (repeats with the same bytes), and connections stay few.
import { setTimeout as pause } from 'node:timers/promises'
import postgres from 'postgres'
import { expect, it, onTestFinished } from 'vitest'
import { freshDatabase } from '../support/postgres.ts'
import { BRIEF, clientOf, type Outcome, type Tenant } from './client.ts'
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
const KILL_EVERY_MS = [1_500, 4_000] as const
/** Of a session whose process died in the middle: lease, sweep and one retry, with room. */
const SETTLE_MS = 8 * 60_000

async function ask(fleet: Fleet, method: string, path: string, key: string, body: unknown) {
  const response = await fetch(`${fleet.any().url}${path}`, {
    method,
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  expect(response.ok).toBe(true)
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

/** Apps with two endpoints and, beside the default, the policy of sessions that are left. */
async function makeTenants(fleet: Fleet, urls: readonly string[]): Promise<Tenant[]> {
  const tenants: Tenant[] = []
  for (let n = 0; n < APPS; n++) {
    const body = { name: `app ${n}`, policy: { direct: true } }
    const app = await ask(fleet, 'POST', '/v1/apps', ADMIN_KEY, body)
    const brief = `/v1/apps/${app.id}/policies/${BRIEF}`
    await ask(fleet, 'PUT', brief, ADMIN_KEY, { maxSeconds: 60 })
    for (const url of urls) await ask(fleet, 'POST', '/v1/webhook-endpoints', app.apiKey, { url })
    tenants.push(app as unknown as Tenant)
  }
  return tenants
}

/** So many clients at once, each with one session after the other. */
async function runClients(live: ReturnType<typeof clientOf>, tenants: readonly Tenant[]) {
  const outcomes: Outcome[] = []
  let next = 0
  const worker = async () => {
    while (next < SESSIONS) {
      const number = next++
      outcomes.push(await live(tenants[number % APPS]!, number))
    }
  }
  await Promise.all(Array.from({ length: CLIENTS }, worker))
  return outcomes
}

/** Until every session has ended and nothing is owed, or the time for it is over; answers what is left. */
async function settled(sql: postgres.Sql) {
  const until = Date.now() + SETTLE_MS
  for (;;) {
    const left = await unsettled(sql)
    if (left.sessions + left.owed === 0 || Date.now() > until) return left
    await pause(1_000)
  }
}

function countsOf(outcomes: readonly Outcome[]): string {
  const counts = new Map<string, number>()
  for (const { told = 'left' } of outcomes) counts.set(told, (counts.get(told) ?? 0) + 1)
  return [...counts].map(([state, count]) => `${state} ${count}`).join(', ')
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
  onTestFinished(async () => {
    await fleet.stop()
    await sql.end()
    await Promise.all([receiver.close(), store.close()])
    await database.drop()
  })
  const tenants = await makeTenants(fleet, receiver.urls)

  const connections = watchingConnections(sql)
  const stopKilling = killing(fleet, random)
  const began = Date.now()
  const seconds = () => Math.round((Date.now() - began) / 1000)
  const outcomes = await runClients(clientOf(fleet, random), tenants)
  await stopKilling()
  const mostConnections = await connections()
  const loadSeconds = seconds()
  const left = await settled(sql)
  console.log(
    `${SESSIONS} sessions in ${loadSeconds} s, settled after ${seconds()} s;`,
    `${fleet.ends.killed} SIGKILL, ${fleet.ends.stopped} SIGTERM;`,
    `at most ${mostConnections} connections; ${countsOf(outcomes)}`,
  )

  expect(left).toEqual({ sessions: 0, owed: 0 })
  expect(await faultsOf(sql, outcomes, receiver)).toEqual([])
  expect(fleet.ends.killed).toBeGreaterThan(0)
  expect(fleet.ends.badExits).toBe(0)
  // Those of one process that has just been killed may still be going away.
  expect(mostConnections).toBeLessThanOrEqual((PROCESSES + 1) * POOL)
  expect(await fleet.stop()).toEqual(Array(PROCESSES).fill(0))
})
