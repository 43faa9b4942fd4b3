// SIGTERM, as a load balancer lives through it: first /readyz says no, then the port closes, and nothing under way is lost.
import { connect as openSocket } from 'node:net'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { freshDatabase } from '../support/postgres.ts'
import { type Service, startService } from '../support/service.ts'

let database: Awaited<ReturnType<typeof freshDatabase>>
let service: Service

beforeAll(async () => {
  database = await freshDatabase()
  service = await startService({
    environment: { DATABASE_URL: database.serviceUrl, DRAIN_SECONDS: '2' },
  })
})
afterAll(() => database.drop())

const BODY = JSON.stringify({ subject: 'ada', filename: 'a.bin', sizeBytes: 9 })

/** A POST whose body is not sent to its end yet. */
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

const create = () =>
  fetch(`${service.url}/v1/uploads`, {
    method: 'POST',
    headers: { authorization: `Bearer ${service.apiKey}`, 'content-type': 'application/json' },
    body: BODY,
  })
const readiness = () => fetch(`${service.url}/readyz`).then(({ status }) => status)

/** Asks again and again: what is waited for is another process's doing. */
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
