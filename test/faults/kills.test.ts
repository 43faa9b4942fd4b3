// Real kills: the service, the store and PostgreSQL by SIGKILL at random while 50 clients upload over real sockets, through
// proxies that delay, throttle and cut. Then everything recovers: nothing is lost, nothing is doubled, nothing is left over.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { startAftermath } from './aftermath.ts'
import { judge, type Received } from './kill-verdict.ts'
import type { BadLine } from './proxy.ts'
import { random, seedOf } from './seed.ts'
import { goOn, newUpload, type Reach, type Tracked } from './stubborn-client.ts'
import { type LineName, startVictims, type Victim, type Victims } from './victims.ts'

const KILLS = Number(process.env.FAULTS_KILLS ?? 20)
const CLIENTS = 50
/** Uploads of one client at once, because one whose completion died with its process takes time. */
const AT_ONCE = 3
/** A statement arrives in many small chunks, a part in a few large ones. */
const BAD_LINES: Record<LineName, BadLine> = {
  'service to database': { cut: 500, delay: 60, throttle: 60 },
  'service to store': { cut: 40, delay: 8, throttle: 12 },
  'client to store': { cut: 30, delay: 8, throttle: 12 },
  'client to service': { cut: 80, delay: 12, throttle: 12 },
}
/** The longest pause between two kills. */
const WORK_MS = 4_000
const POLL_MS = 20
const MINUTE_MS = 60_000
/** Victims alone or together. In embedded mode service and store are one process, and the database is its child. */
const STRIKES: ReadonlyArray<readonly Victim[]> = [
  ['service'],
  ['database'],
  ['store'],
  ['service', 'store'],
  ['service', 'database'],
  ['database', 'store'],
]

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

/** Before the proxies turn bad, creates an app with direct completion, and its endpoint. Returns its key. */
async function prepare({ api, adminKey, output }: Victims, receiver: string): Promise<string> {
  const send = async (path: string, key: string, body: unknown) => {
    const answer = await fetch(`${api}${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    const text = await answer.text()
    expect(answer.status, `${text}\n${output().slice(-3000)}`).toBeLessThan(300)
    return JSON.parse(text)
  }
  const policy = { readBack: true, direct: true }
  const { apiKey } = await send('/v1/apps', adminKey, { name: 'killed', policy })
  await send('/v1/webhook-endpoints', apiKey, { url: receiver })
  return apiKey
}

/** Runs one client until the storm ends. It continues each upload in turn, and replaces those that have ended. */
async function upload(
  storm: { over: boolean },
  all: Tracked[],
  reach: Reach,
  next: (below: number) => number,
): Promise<void> {
  let mine: Tracked[] = []
  for (let turn = 0; !storm.over; turn++) {
    mine = mine.filter(({ over }) => !over)
    if (mine.length < AT_ONCE) {
      const tracked = newUpload(all.length, next)
      all.push(tracked)
      mine.push(tracked)
    }
    await goOn(mine[turn % mine.length]!, reach).catch(() => {}) // Whatever it was: once more.
    await delay(50 + next(400))
  }
}

/** On a slow machine, waits for work to interrupt: until this many answers have arrived, up to a limit. */
async function work(reach: Reach, answers: number): Promise<void> {
  const enough = reach.answers + answers
  for (let waited = 0; reach.answers < enough && waited < WORK_MS; waited += POLL_MS) {
    await delay(POLL_MS)
  }
}

/** Returns all uploads that were begun. */
async function storm(
  victims: Victims,
  reach: Reach,
  next: (below: number) => number,
): Promise<Tracked[]> {
  const all: Tracked[] = []
  const state = { over: false }
  const lines = Object.entries(victims.lines)
  const clients = Array.from({ length: CLIENTS }, () => upload(state, all, reach, next))
  for (const [name, line] of lines) line.become(BAD_LINES[name as LineName])
  try {
    for (let kill = 0; kill < KILLS; kill++) {
      await work(reach, 20 + next(150))
      // Each victim once, then any.
      await victims.kill(STRIKES[kill < STRIKES.length ? kill : next(STRIKES.length)]!)
    }
  } finally {
    state.over = true
    await Promise.all(clients)
    for (const [, line] of lines) line.become({})
  }
  return all
}

it(`nothing is lost in ${KILLS} kills`, async () => {
  const seed = seedOf()
  const next = random(seed)
  process.stdout.write(`\nkills: FAULTS_SEED=${seed} FAULTS_KILLS=${KILLS}\n`)
  const received: Received = new Map()
  const receiver = await startReceiver(received)
  const victims = await startVictims(next)
  try {
    const apiKey = await prepare(victims, receiver.url)
    const all = await storm(
      victims,
      { api: victims.api, apiKey, patienceMs: 5_000, answers: 0 },
      next,
    )
    const ended = all.filter(({ over }) => over).length
    for (const name of ['service', 'store'] as const) {
      expect(await victims.stop(name), `${name}: ${victims.output().slice(-3000)}`).toBe(0)
    }

    const aftermath = await startAftermath(victims.dataDir, victims.realDatabaseUrl())
    const quiet = { api: aftermath.url, apiKey, patienceMs: 20_000, answers: 0 }
    let findings: string[]
    try {
      await finishAll(all, quiet, aftermath)
      findings = await judge(victims, all, received, quiet)
    } finally {
      await aftermath.stop()
    }
    await victims.stop('database')
    report(victims, all, received)
    expect([...findings, ...victims.processesLeft()]).toEqual([])
    if (KILLS >= 20) expectStorm(victims, ended)
  } finally {
    await victims.clear()
    await receiver.close()
  }
})

type Aftermath = Awaited<ReturnType<typeof startAftermath>>

/**
 * Every client continues until it is done, before the sweep runs. Then time passes until everything has recovered.
 */
async function finishAll(
  all: readonly Tracked[],
  quiet: Reach,
  aftermath: Aftermath,
): Promise<void> {
  for (const minutes of [2, 2, 2, 16, 2, 2]) {
    aftermath.advance(minutes * MINUTE_MS)
    const waiting = all.filter(({ over }) => !over)
    await Promise.all(waiting.map((tracked) => goOn(tracked, quiet).catch(() => {})))
    await aftermath.settle()
  }
  for (const minutes of [2, 25 * 60, 2, 8 * 24 * 60, 2, 2, 120, 2, 2]) {
    aftermath.advance(minutes * MINUTE_MS)
    await aftermath.settle()
  }
}

/** A storm without kills proves nothing, and neither does one without work. */
function expectStorm({ lines, kills }: Victims, ended: number): void {
  const faults = Object.entries(lines).map(([name, { counts }]) => [name, counts] as const)
  for (const [of, counts] of [...faults, ['kills', kills] as const]) {
    for (const [what, count] of Object.entries(counts)) {
      expect(count, `${of}: ${what}`).toBeGreaterThan(0)
    }
  }
  expect(ended, 'uploads that ended during the storm').toBeGreaterThan(CLIENTS)
}

function report(victims: Victims, all: readonly Tracked[], received: Received): void {
  const { lines } = victims
  const told = (state: string) => all.filter((tracked) => tracked.told.has(state)).length
  const kills = Object.entries(victims.kills).map(([name, count]) => `${name} ${count}`)
  const cuts = Object.entries(lines).map(([name, { counts }]) => `${name} ${counts.cut}`)
  const left = victims.processesLeft().length
  process.stdout.write(
    `${all.length} uploads: ${told('completed')} completed, ${told('aborted')} aborted, ${told('failed')} failed; ` +
      `${received.size} events\n` +
      `killed: ${kills.join(', ')}; ${victims.failedStarts()} starts repeated; ` +
      `${victims.processesSeen()} processes seen, ${left} left\n` +
      `connections cut: ${cuts.join(', ')}\n`,
  )
}
