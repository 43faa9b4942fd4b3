// Requests as bytes on a socket: lines exactly as given, nothing added, and the answer as it comes.
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

export interface RawAnswer {
  status: number
  headers: Record<string, string>
  body: string
}

/** With `Expect: 100-continue` among the lines the body waits for the store's word. */
export async function sendRaw(
  address: string,
  lines: readonly string[],
  body: Uint8Array = new Uint8Array(),
): Promise<RawAnswer> {
  const { hostname, port } = new URL(address)
  const socket = connect(Number(port), hostname)
  await once(socket, 'connect')
  try {
    const read = reader(socket)
    socket.write(`${lines.join('\r\n')}\r\n\r\n`)
    if (lines.some((line) => /^expect: 100-continue$/i.test(line))) {
      const first = await read()
      if (first.status !== 100) return first
    }
    socket.write(body)
    return await read()
  } finally {
    socket.destroy()
  }
}

/** Reads one answer after the other. */
function reader(socket: Socket): () => Promise<RawAnswer> {
  const chunks = socket[Symbol.asyncIterator]() as AsyncIterator<Buffer>
  let pending = Buffer.alloc(0)
  async function more() {
    const { value, done } = await chunks.next()
    if (done) throw new Error(`The connection was closed after:\n${pending}`)
    pending = Buffer.concat([pending, value])
  }
  return async () => {
    while (pending.indexOf('\r\n\r\n') < 0) await more()
    const end = pending.indexOf('\r\n\r\n')
    const [first = '', ...rest] = pending.subarray(0, end).toString().split('\r\n')
    pending = pending.subarray(end + 4)
    const headers = Object.fromEntries(
      rest.map((line) => [
        line.slice(0, line.indexOf(':')).toLowerCase(),
        line.slice(line.indexOf(':') + 1).trim(),
      ]),
    )
    const length = Number(headers['content-length'] ?? 0)
    while (pending.length < length) await more()
    const body = pending.subarray(0, length).toString()
    pending = pending.subarray(length)
    return { status: Number(first.split(' ')[1]), headers, body }
  }
}
