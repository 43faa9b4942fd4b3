// Real kills: the service and PostgreSQL by SIGKILL at random while 50 clients upload over real sockets, on lines that delay,
// throttle and cut. Then everything settles, and nothing is lost, nothing is there twice, and nothing is left behind.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import postgres from 'postgres'
import { expect, it } from 'vitest'
import { startAftermath } from './aftermath.ts'
import { storeContent } from './invariants.ts'
import { random, seedOf } from './seed.ts'
import { goOn, md5, newUpload, type Reach, readBack, type Tracked } from './stubborn-client.ts'
import { startVictims, type Victims } from './victims.ts'

const KILLS = Number(process.env.FAULTS_KILLS ?? 20)
const CLIENTS = 50
const BAD_LINE = { cut: 60, delay: 8, throttle: 12 }
const MINUTE_MS = 60_000
const ENDED = ['completed', 'aborted', 'expired', 'failed']
const SECRET = /\beyJ[\w-]+\.[\w-]+|\bcsk_\w|\bwhsec_\w|x-oss-signature=/i

type Received = Map<string, Set<string>>

async function startReceiver(received: Received) {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const id = String(request.headers['webhook-id'])
      received.set(id, (received.get(id) ?? new Set()).add(Buffer.concat(chunks).toString()))
      response.writeHead(204).end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    close: () => {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(resolve))
    },
  }
}

/** Directly, before the lines are bad: a policy with direct completion, and an endpoint. */
async function prepare({ service }: Victims, receiver: string): Promise<void> {
  const send = async (method: string, path: string, key: string, body: unknown) => {
    const answer = await fetch(`${service.url}${path}`, {
      method,
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    expect(answer.status, await answer.text()).toBeLessThan(300)
  }
  const policy = `/v1/apps/${service.appId}/policies/default`
  await send('PUT', policy, service.adminKey, { readBack: true, direct: true })
  await send('POST', '/v1/webhook-endpoints', service.apiKey, { url: receiver })
}

/** One client: upload after upload, until the storm is over. */
async function upload(
  storm: { over: boolean },
  all: Tracked[],
  reach: () => Reach,
  next: (below: number) => number,
): Promise<void> {
  while (!storm.over) {
    const tracked = newUpload(all.length, next)
    all.push(tracked)
    while (!storm.over && !tracked.over) {
      await goOn(tracked, reach()).catch(() => {}) // Whatever it was: once more.
      await delay(50 + next(400))
    }
  }
}

it(`nothing is lost in ${KILLS} kills`, async () => {
  const seed = seedOf()
  const next = random(seed)
  process.stdout.write(`\nkills: FAULTS_SEED=${seed} FAULTS_KILLS=${KILLS}\n`)
  const received: Received = new Map()
  const receiver = await startReceiver(received)
  const victims = await startVictims(next)
  const all: Tracked[] = []
  try {
    await prepare(victims, receiver.url)
    const reach = (): Reach => ({
      api: victims.service.url,
      apiKey: victims.service.apiKey,
      storePort: victims.storeLine.port,
    })
    const storm = { over: false }
    const clients = Array.from({ length: CLIENTS }, () => upload(storm, all, reach, next))
    for (const line of [victims.storeLine, victims.databaseLine]) line.become(BAD_LINE)
    for (let kill = 0; kill < KILLS; kill++) {
      await delay(300 + next(1500))
      if (next(3) === 0) await victims.killDatabase()
      else await victims.killService()
    }
    storm.over = true
    await Promise.all(clients)
    for (const line of [victims.storeLine, victims.databaseLine]) line.become({})
    expect(await victims.stopService(), victims.service.output().slice(-3000)).toBe(0)

    const aftermath = await startAftermath(victims.dataDir, victims.realDatabaseUrl())
    const { apiKey } = victims.service
    const quiet = { api: aftermath.url, apiKey, storePort: aftermath.storePort }
    try {
      await finishAll(all, quiet, aftermath)
      const findings = await judge(victims, all, received, quiet)
      report(victims, all, received)
      expect(findings).toEqual([])
    } finally {
      await aftermath.stop()
    }
  } finally {
    await victims.stop()
    await receiver.close()
  }
  expect(victims.processesLeft()).toEqual([])
})

type Aftermath = Awaited<ReturnType<typeof startAftermath>>

/** Every client comes back until it has got what it wanted; then time passes until all has settled. */
async function finishAll(all: Tracked[], quiet: Reach, aftermath: Aftermath): Promise<void> {
  for (const minutes of [0, 2, 2, 16, 2, 2]) {
    aftermath.advance(minutes * MINUTE_MS)
    await aftermath.settle()
    for (const tracked of all) {
      if (!tracked.over) await goOn(tracked, quiet).catch(() => {})
    }
  }
  for (const minutes of [2, 25 * 60, 2, 8 * 24 * 60, 2, 2, 120, 2, 2]) {
    aftermath.advance(minutes * MINUTE_MS)
    await aftermath.settle()
  }
}

async function judge(
  victims: Victims,
  all: readonly Tracked[],
  received: Received,
  quiet: Reach,
): Promise<string[]> {
  const found: string[] = []
  const sql = postgres(victims.realDatabaseUrl(), { max: 1, onnotice: () => {} })
  try {
    const sessions = await sql`select upload_id, state, object_key, failure,
      (storage_released_at is null) as held from uploads`
    const events = await sql`select event_id, upload_id, type, body from upload_events`
    for (const tracked of all) found.push(...(await judgeClient(tracked, sessions, quiet)))
    for (const { upload_id: id, state, held } of sessions) {
      const ends = events.filter(
        ({ upload_id, type }) => upload_id === id && ENDED.includes(type.slice('upload.'.length)),
      )
      if (held || !ENDED.includes(state)) found.push(`I3: ${id} is left ${state}`)
      if (ends.length !== 1 || ends[0]!.type !== `upload.${state}`) {
        found.push(`I4: ${id} is ${state}; its events say ${ends.map(({ type }) => type)}`)
      }
    }
    for (const { event_id: id, type, body } of events) {
      const bodies = received.get(id)
      if (!bodies) found.push(`I4: ${type} ${id} never arrived`)
      else if (bodies.size !== 1 || !bodies.has(body)) found.push(`I4: ${id} came in other bytes`)
    }
    const known = new Set(events.map(({ event_id }) => event_id))
    for (const id of received.keys()) if (!known.has(id)) found.push(`I1: ${id} stands in no log`)
    const usage =
      await sql`select subject from usage where open_uploads <> 0 or reserved_bytes <> 0`
    for (const { subject } of usage) found.push(`I5: ${subject} still has something reserved`)
    const completed = sessions.filter(({ state }) => state === 'completed')
    found.push(...(await judgeDisk(victims, new Set(completed.map((row) => row.object_key)))))
  } finally {
    await sql.end()
  }
  const leaks = victims
    .output()
    .split('\n')
    .filter((line) => SECRET.test(line))
  return [...found, ...leaks.map((line) => `I7: a secret stands in: ${line.slice(0, 200)}`)]
}

async function judgeClient(
  tracked: Tracked,
  sessions: readonly postgres.Row[],
  quiet: Reach,
): Promise<string[]> {
  const { number, id, ids, told, wish, bytes } = tracked
  const name = `upload ${number} (${wish}, ${bytes.length} bytes, ${id})`
  const row = sessions.find(({ upload_id }) => upload_id === id)
  if (!row) return [`${name} never began`]
  if (ids.size > 1) return [`I8: ${name} was answered with several ids`]
  const { state, failure } = row
  // A reservation whose process died is failed by the sweep; a client that was not there within the minute learns it then.
  const excused = failure === 'initiate-incomplete'
  const wished = wish === 'abort' ? ['aborted', 'completed'] : ['completed']
  const found: string[] = []
  if (!excused && !wished.includes(state)) found.push(`${name} ends ${state} (${failure})`)
  for (const other of told)
    if (other !== state) found.push(`I3: ${name} was told ${other}, is ${state}`)
  if (state !== 'completed') return found
  const stored = await readBack(tracked, quiet)
  if (stored !== md5(bytes)) found.push(`I2: ${name} reads back as ${stored}`)
  return found
}

async function judgeDisk(victims: Victims, keys: ReadonlySet<string>): Promise<string[]> {
  const { uploads, objects, data } = await storeContent(join(victims.dataDir, 'store'))
  const named = new Set(objects.flatMap(({ pieces }) => pieces.map(({ dataId }) => dataId)))
  return [
    ...uploads.map(({ key }) => `I6: a storage upload of ${key} is left`),
    ...objects
      .filter(({ key }) => !keys.has(key))
      .map(({ key }) => `I6: the object ${key} is left`),
    ...data.filter((id) => !named.has(id)).map((id) => `I6: the bytes ${id} are left`),
  ]
}

function report(victims: Victims, all: readonly Tracked[], received: Received): void {
  const count = (state: string) => all.filter(({ told }) => told.has(state)).length
  const { databaseLine, storeLine } = victims
  const cuts = databaseLine.counts.cut + storeLine.counts.cut
  process.stdout.write(
    `${all.length} uploads: ${count('completed')} completed, ${count('aborted')} aborted, ${count('failed')} failed; ` +
      `${received.size} events; ${cuts} cut connections; ${victims.restarts} starts repeated\n`,
  )
}
