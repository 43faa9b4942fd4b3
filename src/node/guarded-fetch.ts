// How a Node process reaches URLs that tenants name (webhooks, key sets): keep-alive, and the address that a name resolves to
// is checked at the moment of connecting, so that a name which changes its address between check and use reaches nothing inside.
import { lookup } from 'node:dns'
import * as http from 'node:http'
import * as https from 'node:https'
import type { LookupFunction } from 'node:net'
import { addressAllowed, checkedFetch, type UrlGuardOptions } from '../delivery/url-guard.ts'
import { nodeFetch } from '../net/node-fetch.ts'

/** Bounds the connection and every silence. A connection that nobody uses is kept for as long. */
const IDLE_MS = 5_000

type Resolve = typeof lookup

export function guardedFetch(
  guard: UrlGuardOptions,
  resolve: Resolve = lookup,
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
  // No limit on connections: apps that share a host must not wait for one another. Whoever sends many bounds them.
  const settings = { keepAlive: true, timeout: IDLE_MS }
  const agents = { 'http:': new http.Agent(settings), 'https:': new https.Agent(settings) }
  return {
    fetch: checkedFetch(nodeFetch({ lookup: guarded, agents }), guard),
    close() {
      for (const agent of Object.values(agents)) agent.destroy()
    },
  }
}
