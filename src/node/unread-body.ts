// Handles request bodies that are still unread when the answer is ready, such as one that is too large. The next request of the
// connection would follow the body, and closing a socket with unread bytes resets it, so that the client may lose the answer.
import type { IncomingMessage } from 'node:http'

export type Fetch = (request: Request) => Response | Promise<Response>

/** Up to these limits the rest is read and dropped before the answer, and the connection stays open. */
const DROPPED_BYTES = 1024 * 1024
const DROPPED_MS = 500
/** Beyond them the connection closes, once the client had this long to read the answer and stop sending. */
const LINGER_MS = 2_000
const LINGER_BYTES = 64 * 1024 * 1024

type Body = ReadableStreamDefaultReader<Uint8Array>

/** Reads and drops. True if the body ended within both limits. */
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
    return false // The client is gone, so no request follows.
  } finally {
    clearTimeout(timer)
  }
}

/** The same answer with `Connection: close`, and with its length, so that the client need not wait for the close. */
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

/** Wraps `serve` so that no connection stays open with an unread body. */
export const afterBody =
  (serve: Fetch) =>
  async (request: Request, { incoming }: { incoming: object }): Promise<Response> => {
    const answer = await serve(request)
    const { complete, errored } = incoming as IncomingMessage
    if (complete || errored || !request.body) return answer
    const body = request.body.getReader()
    return (await drop(body, DROPPED_BYTES, DROPPED_MS)) ? answer : lastAnswer(answer, body)
  }
