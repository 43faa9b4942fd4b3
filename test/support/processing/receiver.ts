// A webhook endpoint on loopback, which records events and answers with the status that a test sets.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Received {
  headers: Record<string, string>
  body: string
  event: Record<string, any>
}

export async function startReceiver() {
  const received: Received[] = []
  const answers = { status: 200 }
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk) => {
      body += chunk
    })
    request.on('end', () => {
      const headers = request.headers as Record<string, string>
      received.push({ headers, body, event: JSON.parse(body) })
      response.writeHead(answers.status).end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    received,
    answers,
    /** The events of one upload, in order of arrival. */
    about: (uploadId: string) => received.filter(({ event }) => event.data.upload.id === uploadId),
    close: () => new Promise<void>((resolve) => server.close(() => resolve())),
  }
}
