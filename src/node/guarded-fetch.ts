// The fetch for URLs that tenants choose (webhooks, key sets), with keep-alive. It checks the resolved address while it connects,
// because a name could otherwise change its address between a check and the connection.
import { lookup } from 'node:dns'
import * as http from 'node:http'
import * as https from 'node:https'
import type { LookupFunction } from 'node:net'
import { addressAllowed, checkedFetch, type UrlGuardOptions } from '../delivery/url-guard.ts'
import { nodeFetch } from '../net/node-fetch.ts'

/** Ends a connection that is silent for this long, whether in use or idle. */
const IDLE_MS = 5_000

export function guardedFetch(
  guard: UrlGuardOptions,
  resolve: typeof lookup = lookup,
): { fetch: typeof fetch; close: () => void } {
  const guarded: LookupFunction = (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, '')
      const allowed = addresses.filter(({ address }) => addressAllowed(address, guard))
      const [first] = allowed
      if (!first) return callback(new Error('the name resolves to no allowed address'), '')
      if (options.all) return callback(null, allowed)
      callback(null, first.address, first.family)
    })
  }
  // No limit on connections, because apps that share a host must not wait for one another. The callers have limits.
  const settings = { keepAlive: true, timeout: IDLE_MS }
  const agents = { 'http:': new http.Agent(settings), 'https:': new https.Agent(settings) }
  return {
    fetch: checkedFetch(nodeFetch({ lookup: guarded, agents }), guard),
    close() {
      for (const agent of Object.values(agents)) agent.destroy()
    },
  }
}
