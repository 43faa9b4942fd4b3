// What becomes of a request body that was answered before it was read, such as one that is too large: HTTP/1.1 lets the next
// request follow it on the same connection, and a socket that is closed with bytes unread is reset, answer and all.
import type { IncomingMessage } from 'node:http'

export type Fetch = (request: Request) => Response | Promise<Response>

/** So much is read and dropped before the answer, which leaves the connection as it was. */
const DROPPED_BYTES = 1024 * 1024
const DROPPED_MS = 500
/** Beyond that the connection ends, after the client had so long to read the answer and to stop sending. */
const LINGER_MS = 2_000
const LINGER_BYTES = 64 * 1024 * 1024

type Body = ReadableStreamDefaultReader<Uint8Array>

/** Reads and drops. True where the body came to its end within both limits. */
async function drop(body: Body, maxBytes: number, maxMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(resolve, maxMs, 'late')
  })
  try {
    for (let left = maxBytes; left >= 0; ) {
      const read = await Promise.race([body.read(), late])
      if (read === 'late') return false
      if (read.done) return true
      left -= read.value.length
    }
    return false
  } catch {
    return false // The client is gone: nothing follows.
  } finally {
    clearTimeout(timer)
  }
}

/** The same answer, announced as the connection's last; its length is known, so the client need not wait for the end. */
async function lastAnswer(answer: Response, body: Body): Promise<Response> {
  const bytes = new Uint8Array(await answer.arrayBuffer())
  const headers = new Headers(answer.headers)
  headers.set('connection', 'close')
  headers.set('content-length', String(bytes.length))
  const stream = new ReadableStream<Uint8Array>({
    async start(controller) {
      controller.enqueue(bytes)
      await drop(body, LINGER_BYTES, LINGER_MS)
      controller.close()
    },
  })
  return new Response(stream, { status: answer.status, headers })
}

/** Serves as `serve` does, and leaves no unread body on a connection that goes on. */
export const afterBody =
  (serve: Fetch) =>
  async (request: Request, { incoming }: { incoming: object }): Promise<Response> => {
    const answer = await serve(request)
    const { complete, errored } = incoming as IncomingMessage
    if (complete || errored || !request.body) return answer
    const body = request.body.getReader()
    return (await drop(body, DROPPED_BYTES, DROPPED_MS)) ? answer : lastAnswer(answer, body)
  }
