// SIGTERM as a load balancer sees it: /readyz fails first, then the port closes, and no request in progress is lost.
import { connect as openSocket } from 'node:net'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { SLOTS_PER_APP } from '../../src/delivery/lanes.ts'
import { freshDatabase } from '../support/postgres.ts'
import { startReceiver } from '../support/receiver.ts'
import { type Service, startService } from '../support/service.ts'

let database: Awaited<ReturnType<typeof freshDatabase>>
let service: Service

const start = (dataDir?: string) =>
  startService({
    dataDir,
    environment: { DATABASE_URL: database.serviceUrl, DRAIN_SECONDS: '2' },
  })

beforeEach(async () => {
  database = await freshDatabase()
  service = await start()
})
afterEach(() => database.drop())

const BODY = JSON.stringify({ subject: 'ada', filename: 'a.bin', sizeBytes: 9 })

/** Starts a POST whose body is not complete yet. */
function beginSlowly() {
  const { hostname, port } = new URL(service.url)
  const socket = openSocket(Number(port), hostname)
  let received = ''
  const ended = new Promise<string>((resolve, reject) => {
    socket.on('data', (chunk) => {
      received += chunk
    })
    socket.once('close', () => resolve(received))
    socket.once('error', reject)
  })
  const head = [
    'POST /v1/uploads HTTP/1.1',
    `Host: ${hostname}`,
    `Authorization: Bearer ${service.apiKey}`,
    'Content-Type: application/json',
    `Content-Length: ${BODY.length}`,
  ]
  socket.write(`${head.join('\r\n')}\r\n\r\n${BODY.slice(0, 10)}`)
  return { finish: () => socket.write(BODY.slice(10)), ended }
}

const post = (path: string, key: string, body: string) =>
  fetch(`${service.url}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body,
  })
const create = (apiKey = service.apiKey) => post('/v1/uploads', apiKey, BODY)
const readiness = () => fetch(`${service.url}/readyz`).then(({ status }) => status)

/** Registers an app whose webhooks go to this address. */
async function appAt(url: string): Promise<string> {
  const { apiKey } = await (await post('/v1/apps', service.adminKey, '{"name":"mine"}')).json()
  expect((await post('/v1/webhook-endpoints', apiKey, JSON.stringify({ url }))).status).toBe(201)
  return apiKey
}

/** Polls until the condition holds, because another process makes it true. */
async function until<Value>(ask: () => Promise<Value>, wanted: (value: Value) => boolean) {
  for (;;) {
    const value = await ask()
    if (wanted(value)) return value
  }
}

it('answers 503 at /readyz while it still serves, ends what is under way after the port is closed, and exits with 0', async () => {
  const slow = beginSlowly()
  expect(await readiness()).toBe(200)

  const exited = service.stop()
  await until(readiness, (status) => status === 503)
  expect((await create()).status).toBe(201)
  await until(
    () => readiness().catch(() => 'refused'),
    (answer) => answer === 'refused',
  )
  slow.finish()

  expect(await slow.ended).toMatch(/^HTTP\/1\.1 201 /)
  expect(await exited).toBe(0)
})

it('begins no delivery after SIGTERM, however many are due and however silent the receiver; the next process makes them', async () => {
  const receiver = await startReceiver()
  const apiKey = await appAt(receiver.url)
  const release = receiver.hold()
  // More deliveries than one app may have in flight: the rest stays due.
  await Promise.all(Array.from({ length: SLOTS_PER_APP + 5 }, () => create(apiKey)))
  await receiver.arrived(SLOTS_PER_APP)

  const exited = service.stop({ remove: false })
  await until(readiness, (status) => status === 503)
  // Served while draining, but it nudges no delivery any more.
  expect((await create(apiKey)).status).toBe(201)
  release()

  expect(await exited).toBe(0)
  expect(receiver.received).toHaveLength(SLOTS_PER_APP)
  service = await start(service.dataDir)
  await receiver.arrived(SLOTS_PER_APP + 6)
  expect(await service.stop()).toBe(0)
  const told = receiver.received.map(({ headers }) => headers['webhook-id'])
  expect(new Set(told).size).toBe(told.length)
  await receiver.stop()
})
