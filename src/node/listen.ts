// The port of the service: bound, served, and closed with nothing under way lost.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import type { Config } from '../config.ts'
import { listenFault } from './start-fault.ts'
import { afterBody, type Fetch } from './unread-body.ts'

/** Longer than the longest answer: a complete that waits for another's outcome. */
const CLOSE_MS = 30_000
const IDLE_CHECK_MS = 100

/** Binds first and serves later, so that the port is known before the first answer is made. */
export async function listen({ host, port }: Pick<Config, 'host' | 'port'>) {
  let serve: Fetch | undefined
  const listener = getRequestListener(
    afterBody((request) => (serve ? serve(request) : new Response('starting', { status: 503 }))),
  )
  const server = createServer((request, response) => {
    void listener(request, response)
  })
  server.requestTimeout = 60_000
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(listenFault(error, { host, port, variable: 'PORT' })))
    server.listen(port, host, resolve)
  })
  const bound = server.address() as AddressInfo
  const name = bound.family === 'IPv6' ? `[${bound.address}]` : bound.address
  return {
    url: `http://${name}:${bound.port}`,
    serve: (fetch: Fetch) => {
      serve = fetch
    },
    /** Answers what is under way, takes nothing new. */
    close: () =>
      new Promise<void>((resolve) => {
        const cut = setTimeout(() => server.closeAllConnections(), CLOSE_MS)
        // Connections that are kept alive end as soon as their last answer is out.
        const idle = setInterval(() => server.closeIdleConnections(), IDLE_CHECK_MS)
        server.close(() => {
          clearTimeout(cut)
          clearInterval(idle)
          resolve()
        })
        server.closeIdleConnections()
      }),
  }
}
