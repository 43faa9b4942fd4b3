// A proxy between a service and a server it calls. It passes everything on and counts it.
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { clientFramer } from './postgres-wire.ts'

/** What to count in a protocol, by name. `listen` returns a reader for the bytes of one connection. */
export interface Counted<Name extends string> {
  names: readonly Name[]
  listen(count: (name: Name, times?: number) => void): (chunk: Buffer) => void
}

const REQUEST_LINE = /^(?:GET|HEAD|PUT|POST|DELETE) \S+ HTTP\/1\.1\r$/gm

export const HTTP: Counted<'requests'> = {
  names: ['requests'],
  listen: (count) => (chunk) =>
    count('requests', chunk.toString('latin1').match(REQUEST_LINE)?.length ?? 0),
}

/** Counts statements, including `begin` and `commit`, and Terminate, which only a properly closed connection sends. */
export const POSTGRES: Counted<'statements' | 'goodbyes'> = {
  names: ['statements', 'goodbyes'],
  listen: (count) =>
    clientFramer((type) => {
      if (type === 'E' || type === 'Q') count('statements')
      if (type === 'X') count('goodbyes')
    }),
}

export interface Tap<Name extends string = string> {
  port: number
  /** What has been counted towards the server so far. */
  traffic(): Record<Name | 'connections', number>
  /** Connections that are open. */
  open(): number
  close(): Promise<void>
}

export async function tap<Name extends string>(
  target: { host: string; port: number },
  { names, listen }: Counted<Name>,
): Promise<Tap<Name>> {
  const sockets = new Set<Socket>()
  const counts = Object.fromEntries([...names, 'connections'].map((name) => [name, 0])) as Record<
    Name | 'connections',
    number
  >
  const server = createServer((near) => {
    counts.connections++
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
    near.on(
      'data',
      listen((name, times = 1) => {
        counts[name] += times
      }),
    )
    near.pipe(far)
    far.pipe(near)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    traffic: () => ({ ...counts }),
    open: () => sockets.size / 2,
    close() {
      for (const socket of sockets) socket.destroy()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}
