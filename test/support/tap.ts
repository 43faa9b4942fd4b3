// A wire between a service and what it calls: passes everything on and counts.
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

const REQUEST_LINE = /^(?:GET|HEAD|PUT|POST|DELETE) \S+ HTTP\/1\.1\r$/gm

export interface Tap {
  port: number
  /** Connections and HTTP requests towards the other end, so far. */
  traffic(): { connections: number; requests: number }
  /** Connections that are open now. */
  open(): number
  close(): Promise<void>
}

export async function tap(target: { host: string; port: number }): Promise<Tap> {
  const sockets = new Set<Socket>()
  let connections = 0
  let requests = 0
  const server = createServer((near) => {
    connections++
    const far = connect(target.port, target.host)
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
    near.on('data', (chunk: Buffer) => {
      requests += chunk.toString('latin1').match(REQUEST_LINE)?.length ?? 0
    })
    near.pipe(far)
    far.pipe(near)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    traffic: () => ({ connections, requests }),
    open: () => sockets.size / 2,
    close() {
      for (const socket of sockets) socket.destroy()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}
