// The service's HTTP port: binds it, serves it, and closes it without losing a request.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import type { Config } from '../config.ts'
import { listenFault } from './start-fault.ts'
import { afterBody, type Fetch } from './unread-body.ts'

/** More than the slowest answer takes, a completion that waits for another's outcome. */
const CLOSE_MS = 30_000
const IDLE_CHECK_MS = 100

/** Binds now and serves later, so that the service knows its port before the first request. */
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
    /** Answers the requests that have begun and accepts no more. */
    close: () =>
      new Promise<void>((resolve) => {
        const cut = setTimeout(() => server.closeAllConnections(), CLOSE_MS)
        // Connections with keep-alive become idle after their last answer.
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
