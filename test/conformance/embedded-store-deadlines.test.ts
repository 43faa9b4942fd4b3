// How long the embedded store waits for unverified callers, and how many at once. It waits for verified ones.
import { connect, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { BUCKET, useEmbeddedStore } from '../support/embedded-store.ts'

const context = useEmbeddedStore()
const sockets: Socket[] = []

beforeEach(async () => {
  context.limits = { headersMs: 60, unverifiedMs: 60, drainMs: 60, unverifiedAtOnce: 2 }
  await context.restart()
})
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy()
})

/** Opens a connection, sends these bytes, and collects everything received until the store closes it. */
function open(text: string) {
  const socket = connect(context.store.port, '127.0.0.1')
  sockets.push(socket)
  socket.write(text)
  let received = ''
  const closed = new Promise<string>((resolve, reject) => {
    socket.on('data', (chunk) => {
      received += chunk
    })
    socket.on('error', reject)
    socket.on('close', () => resolve(received))
  })
  return { socket, closed }
}

const FORM = `POST /${BUCKET}/ HTTP/1.1\r\nHost: h\r\nContent-Type: multipart/form-data; boundary=b\r\n`
const ROLE =
  'POST / HTTP/1.1\r\nHost: h\r\nx-acs-action: AssumeRole\r\nx-acs-version: 2015-04-01\r\n'
const slow = (head: string) => open(`${head}Content-Length: 1000\r\n\r\n--b\r\n`)

test('headers that do not end are given up like a body that does not come', async () => {
  const answer = await open('GET /a HTTP/1.1\r\nHost').closed

  expect(answer).toMatch(/^HTTP\/1.1 400 /)
  expect(answer).toContain('<Code>RequestTimeout</Code>')
})

test.each([
  ['a form before its file', FORM],
  ['a role to assume', ROLE],
])('%s that does not come is given up, and its connection closed', async (_, head) => {
  const answer = await slow(head).closed

  expect(answer).toMatch(/^HTTP\/1.1 400 /)
  expect(answer).toContain('<Code>RequestTimeout</Code>')
})

test('the body of a refused request is not waited for', async () => {
  const unsigned = `PUT /${BUCKET}/a HTTP/1.1\r\nHost: h\r\n`

  expect(await slow(unsigned).closed).toMatch(/^HTTP\/1.1 403 /)
})

test('the number of unverified requests read at once is bounded', async () => {
  context.limits = { unverifiedMs: 60_000, unverifiedAtOnce: 2 }
  await context.restart()
  const [form, role] = [slow(FORM), slow(ROLE)]
  const refused = async () => {
    const answer = await context.send({
      method: 'POST',
      path: `/${BUCKET}/`,
      headers: { 'content-type': 'multipart/form-data; boundary=b' },
      body: '--b--\r\n',
    })
    return answer.code
  }

  await expect.poll(refused).toBe('ServiceUnavailable')
  form.socket.destroy()
  role.socket.destroy()
  await expect.poll(refused).toBe('IncorrectNumberOfFilesInPOSTRequest')
})

test('a signed upload may take longer than these deadlines', async () => {
  const { path, headers } = context.sign('PUT', 'a')
  const lines = Object.entries(headers ?? {}).map(([name, value]) => `${name}: ${value}\r\n`)
  const head = `PUT ${path} HTTP/1.1\r\nHost: h\r\n${lines.join('')}Connection: close\r\n`
  const upload = open(`${head}Content-Length: 10\r\n\r\nhello`)

  await Promise.all([open('GET /a HTTP/1.1\r\n').closed, slow(FORM).closed, slow(ROLE).closed])
  upload.socket.write('world')

  expect(await upload.closed).toMatch(/^HTTP\/1.1 200 /)
  expect((await context.call('GET', 'a')).text).toBe('helloworld')
})
