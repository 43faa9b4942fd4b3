// A TCP proxy that delays, throttles and cuts. Its port stays the same, and its target can change at any time.
import { type AddressInfo, createServer, type Socket, connect as tcpConnect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

export interface BadLine {
  /** Odds of one in this many for each chunk; 0 means never. */
  cut: number
  delay: number
  throttle: number
}

const QUIET: BadLine = { cut: 0, delay: 0, throttle: 0 }
/** A throttled chunk arrives in at least PIECES pieces, each at most PIECE_BYTES long. */
const PIECE_BYTES = 8 * 1024
const PIECES = 4

export async function startProxy(next: (below: number) => number) {
  let target = 0
  let line = QUIET
  const sockets = new Set<Socket>()
  const counts = { cut: 0, delayed: 0, throttled: 0 }
  const strikes = (chance: number) => chance > 0 && next(chance) === 0

  async function pump(from: Socket, to: Socket): Promise<void> {
    for await (const chunk of from as AsyncIterable<Buffer>) {
      if (strikes(line.cut)) {
        counts.cut++
        // Half of the chunk arrives, as on a connection that breaks.
        to.write(chunk.subarray(0, chunk.length >> 1))
        throw new Error('cut')
      }
      if (strikes(line.delay)) {
        counts.delayed++
        await delay(next(150))
      }
      const throttled = strikes(line.throttle)
      if (throttled) counts.throttled++
      const step = throttled
        ? Math.min(PIECE_BYTES, Math.ceil(chunk.length / PIECES))
        : chunk.length
      for (let at = 0; at < chunk.length; at += step) {
        if (!to.write(chunk.subarray(at, at + step))) await drained(to)
        if (step < chunk.length) await delay(2)
      }
    }
    to.end()
  }

  const server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
    const far = tcpConnect({ host: '127.0.0.1', port: target, allowHalfOpen: true, noDelay: true })
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        sockets.delete(socket)
        near.destroy()
        far.destroy()
      })
    }
    for (const pumped of [pump(near, far), pump(far, near)]) {
      pumped.catch(() => {
        near.destroy()
        far.destroy()
      })
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))

  return {
    port: (server.address() as AddressInfo).port,
    counts,
    leadTo(port: number): void {
      target = port
    },
    become(worse: Partial<BadLine>): void {
      line = { ...QUIET, ...worse }
    },
    close(): Promise<void> {
      for (const socket of sockets) socket.destroy()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}

const drained = (socket: Socket) =>
  new Promise<void>((resolve, reject) => {
    socket.once('drain', resolve)
    socket.once('close', () => reject(new Error('closed')))
  })

export type Proxy = Awaited<ReturnType<typeof startProxy>>
