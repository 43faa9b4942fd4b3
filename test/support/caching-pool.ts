// A proxy that caches queries as Hyperdrive does by default: it answers a repeated select with the same parameters from memory,
// even if the rows have changed. It passes everything else on.
// Source: PostgreSQL, "Message Flow", extended query; Cloudflare, "Hyperdrive: Query caching".
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { framer, SSL_REQUEST } from './postgres-wire.ts'

const textAt = (message: Buffer, from: number) =>
  message.toString('utf8', from, message.indexOf(0, from))

export async function cachingPool(url: string) {
  const { hostname, port } = new URL(url)
  const cache = new Map<string, Buffer>()
  const sockets = new Set<Socket>()
  let hits = 0

  function serve(near: Socket): void {
    const far = connect(Number(port), hostname)
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket)
      socket.on('error', () => other.destroy()).on('close', () => other.destroy())
    }
    let started = false
    let statement = ''
    /** Statements are parsed once and executed by their name. */
    const texts = new Map<string, string>()
    let batch: Buffer[] = []
    let key: string | undefined
    /** One cache key for each Sync under way. */
    const asked: Array<string | undefined> = []
    let answer: Buffer[] = []

    const fromNear = framer((type, message) => {
      batch.push(message)
      if (type === 'P') {
        const name = textAt(message, 5)
        texts.set(name, textAt(message, message.indexOf(0, 5) + 1))
      }
      if (type === 'B') {
        const name = textAt(message, message.indexOf(0, 5) + 1)
        statement = texts.get(name) ?? ''
        if (/^\s*select/i.test(statement)) key = statement + message.toString('latin1', 5)
      }
      if (!'SHQXp'.includes(type)) return
      const known = key !== undefined && !asked.length ? cache.get(key) : undefined
      if (type === 'S' && known) {
        hits++
        near.write(known)
      } else {
        if (type === 'S' || type === 'Q') asked.push(key)
        far.write(Buffer.concat(batch))
      }
      batch = []
      if (type !== 'H') key = undefined
    })
    const fromFar = framer((type, message) => {
      answer.push(message)
      if (type !== 'Z') return
      const under = asked.shift()
      if (under !== undefined) cache.set(under, Buffer.concat(answer))
      answer = []
    })
    near.on('data', (chunk) => {
      if (started) return fromNear(chunk)
      if (chunk.readInt32BE(4) === SSL_REQUEST) return void near.write('N')
      started = true
      // It ends with its own ReadyForQuery, like a batch.
      asked.push(undefined)
      far.write(chunk)
    })
    far.on('data', (chunk) => {
      near.write(chunk)
      fromFar(chunk)
    })
  }

  const server = createServer(serve)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const through = new URL(url)
  through.hostname = '127.0.0.1'
  through.port = String((server.address() as AddressInfo).port)
  return {
    url: through.href,
    hits: () => hits,
    close() {
      for (const socket of sockets) socket.destroy()
      return new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}
