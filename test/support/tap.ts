// A wire between a service and what it calls: passes everything on, counts, and can be cut.
import { type AddressInfo, createServer, connect as open, type Socket } from 'node:net'

export interface Tap {
  port: number
  /** Connections and chunks towards the other end, so far. */
  traffic(): { connections: number; chunks: number }
  /** Ends what is open and refuses what comes. */
  cut(): void
  mend(): void
  close(): Promise<void>
}

export async function tap(target: { host: string; port: number }): Promise<Tap> {
  const sockets = new Set<Socket>()
  let connections = 0
  let chunks = 0
  let isCut = false
  const server = createServer((near) => {
    if (isCut) return near.destroy()
    connections++
    const far = open(target.port, target.host)
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket)
      socket.on('error', () => other.destroy())
      socket.on('close', () => {
        sockets.delete(socket)
        other.destroy()
      })
    }
    near.on('data', () => {
      chunks++
    })
    near.pipe(far)
    far.pipe(near)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const endAll = () => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    port: (server.address() as AddressInfo).port,
    traffic: () => ({ connections, chunks }),
    cut() {
      isCut = true
      endAll()
    },
    mend() {
      isCut = false
    },
    close() {
      endAll()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}
