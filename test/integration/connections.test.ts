// How a Node process treats a connection if it refuses a request before reading its body, or if the body is cut.
import { connect, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { listen } from '../../src/node/listen.ts'
import { type Harness, startHarness } from '../support/harness.ts'

let harness: Harness
let server: Awaited<ReturnType<typeof listen>>
let apiKey: string

beforeAll(async () => {
  harness = await startHarness()
  apiKey = (await harness.createApp()).apiKey
  server = await listen({ host: '127.0.0.1', port: 0 })
  server.serve(harness.app.fetch)
})
afterAll(async () => {
  await server.close()
  await harness.stop()
})

const MiB = 1024 * 1024

/** Opens a socket and collects what it receives. */
function open() {
  const { hostname, port } = new URL(server.url)
  const socket = connect(Number(port), hostname)
  // One character for each byte, so that lengths agree with content-length.
  socket.setEncoding('latin1')
  let text = ''
  let failure: Error | undefined
  socket.on('data', (chunk) => {
    text += chunk
  })
  socket.on('error', (error) => {
    failure = error
  })
  const ended = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  /** Reads up to the end of the nth answer, by its content-length. */
  const answers = async (count: number) => {
    for (;;) {
      const found = [...text.matchAll(/HTTP\/1\.1 (\d+)[\s\S]*?\r\n\r\n/g)].map((match) => {
        const [head, status] = match
        const size = Number(/content-length: (\d+)/i.exec(head)?.[1])
        const body = text.slice(match.index + head.length, match.index + head.length + size)
        const isWhole = body.length === size
        const keeps = !/connection: close/i.test(head)
        return { status: Number(status), code: isWhole && JSON.parse(body).code, keeps }
      })
      if (found.length >= count && found.every(({ code }) => code !== false)) return found
      if (socket.destroyed) throw failure ?? new Error(`closed after: ${text}`)
      await Promise.race([new Promise((resolve) => socket.once('data', resolve)), ended])
    }
  }
  return { socket, answers, ended, failure: () => failure }
}

const head = (path: string, headers: Record<string, string | number>) =>
  [
    `POST ${path} HTTP/1.1`,
    'Host: 127.0.0.1',
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    '\r\n',
  ].join('\r\n')

const json = () => ({ authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' })
const chunked = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`

/** Writes as fast as the socket accepts, until the connection ends. */
async function pour(socket: Socket, frame = (text: string) => text) {
  const text = 'x'.repeat(64 * 1024)
  while (socket.writable) {
    if (socket.write(frame(text))) continue
    await new Promise<void>((resolve) => {
      socket.once('drain', resolve)
      socket.once('close', resolve)
    })
  }
}

describe('a request that is refused before its body was read', () => {
  it.each([
    ['too large', 413, 'payload-too-large', '/v1/uploads', json],
    ['without a credential', 401, 'unauthenticated', '/v1/uploads', () => ({})],
    ['to nowhere', 404, 'not-found', '/v1/nowhere', json],
  ])(
    '%s: its answer can be read, and a little of a body leaves the connection as it was',
    async (...given) => {
      const [, status, code, path, headers] = given
      const { socket, answers } = open()
      for (const count of [1, 2, 3]) {
        socket.write(head(path, { ...headers(), 'content-length': 200_000 }))
        socket.write('x'.repeat(200_000))
        expect(await answers(count)).toEqual(Array(count).fill({ status, code, keeps: true }))
      }
      socket.destroy()
    },
  )

  it.each([
    ['too large, as it says', 413, 'payload-too-large', '/v1/uploads', json, undefined],
    ['too large, as it turns out', 413, 'payload-too-large', '/v1/uploads', json, chunked],
    ['without a credential', 401, 'unauthenticated', '/v1/uploads', () => ({}), undefined],
    ['to nowhere', 404, 'not-found', '/v1/nowhere', json, undefined],
  ])(
    '%s and endless: its answer can be read, and is the last of the connection',
    async (...given) => {
      const [, status, code, path, headers, frame] = given
      const length: Record<string, string | number> = frame
        ? { 'transfer-encoding': 'chunked' }
        : { 'content-length': 512 * MiB }
      const { socket, answers, failure } = open()
      socket.write(head(path, { ...headers(), ...length }))
      const poured = pour(socket, frame)

      expect(await answers(1)).toEqual([{ status, code, keeps: false }])
      expect(failure()).toBeUndefined()
      socket.destroy()
      await poured

      const next = open()
      next.socket.write(head('/v1/uploads', { 'content-length': 0 }))
      expect(await next.answers(1)).toEqual([{ status: 401, code: 'unauthenticated', keeps: true }])
      next.socket.destroy()
    },
  )

  it('and never sent: it is answered anyway', async () => {
    const { socket, answers, ended, failure } = open()
    socket.write(head('/v1/uploads', { ...json(), 'content-length': 512 * MiB }))

    expect(await answers(1)).toEqual([{ status: 413, code: 'payload-too-large', keeps: false }])
    await ended
    expect(failure()).toBeUndefined()
  })
})

describe('a client that goes away while it sends', () => {
  const paths = [
    ['an upload', '/v1/uploads'],
    ['a callback', '/v1/callbacks/default'],
  ] as const
  const framings = [
    ['of a known length', { 'content-length': 1000 }, (text: string) => text],
    ['in chunks', { 'transfer-encoding': 'chunked' }, chunked],
  ] as const
  const ways = [
    ['with a reset', (socket: Socket) => socket.resetAndDestroy()],
    ['with an end', (socket: Socket) => socket.end()],
  ] as const
  const cases = paths.flatMap(([what, path]) =>
    framings.flatMap(([framed, headers, frame]) =>
      ways.map(([how, cut]) => ({ what, framed, how, path, headers, frame, cut })),
    ),
  )

  it.each(cases)('$what $framed, $how: a line at debug', async ({ path, headers, frame, cut }) => {
    const printed = vi.spyOn(console, 'error')
    const { socket, ended } = open()
    const seen = harness.lines.length
    const lines = () => harness.lines.slice(seen).map((line) => JSON.parse(line))
    socket.write(head(path, { ...json(), ...headers }))
    socket.write(frame('{"filename":'), () => setImmediate(() => cut(socket)))
    await ended

    await expect
      .poll(() => lines().map(({ level, message }) => [level, message]))
      .toEqual([
        ['debug', 'a request was cut'],
        ['info', 'request'],
      ])
    expect(printed).not.toHaveBeenCalled()
    printed.mockRestore()
  })
})

it('a completion whose body was cut completes nothing', async () => {
  const { body: created } = await harness.call('POST', '/v1/uploads', apiKey, {
    subject: 'ada',
    filename: 'a.bin',
    sizeBytes: 9,
  })
  const put = created.parts[0]
  await fetch(put.url, { method: 'PUT', headers: put.headers, body: '123456789' })
  const { socket, ended } = open()
  const seen = harness.lines.length
  const path = `/v1/uploads/${created.id}/complete`
  socket.write(head(path, { ...json(), 'content-length': 30 }), () => socket.end())
  await ended

  const lines = () => harness.lines.slice(seen).join('\n')
  await expect.poll(lines).toContain(`"path":"${path}"`)
  expect(lines()).toContain('"status":400')
  const { body } = await harness.call('GET', `/v1/uploads/${created.id}`, apiKey)
  expect(body.state).toBe('open')
})
