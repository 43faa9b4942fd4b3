// The app's backend at its simplest: two webhook endpoints that remember what came, and say no to some of it at first.
import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Received {
  times: number
  /** Of every body that came under this id. */
  digests: Set<string>
  accepted: boolean
}

export interface Receiver {
  urls: string[]
  /** By endpoint, then by event id. */
  received: Array<Map<string, Received>>
  close(): Promise<void>
}

/** One event in so many is refused the first time, so that there are repeats without any kill. */
const REFUSED_ONE_IN = 16

export async function startReceiver(endpoints: number): Promise<Receiver> {
  const received = Array.from({ length: endpoints }, () => new Map<string, Received>())
  const server = createServer((request, response) => {
    const hash = createHash('sha256')
    request.on('data', (chunk) => hash.update(chunk))
    request.on('end', () => {
      const digest = hash.digest('hex')
      const events = received[Number(request.url?.slice(1))]!
      const id = String(request.headers['webhook-id'])
      const seen = events.get(id) ?? { times: 0, digests: new Set(), accepted: false }
      events.set(id, seen)
      seen.times++
      seen.digests.add(digest)
      const refuse =
        seen.times === 1 && Number.parseInt(digest.slice(0, 4), 16) % REFUSED_ONE_IN === 0
      if (!refuse) seen.accepted = true
      response.writeHead(refuse ? 500 : 204).end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    received,
    urls: received.map((_, index) => `http://127.0.0.1:${port}/${index}`),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
