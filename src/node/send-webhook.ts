// Sends webhooks from Node: keep-alive, and the address that a name resolves to is checked at the moment of connecting,
// so that a name which changes its address between check and use reaches nothing inside.
import { lookup } from 'node:dns'
import * as http from 'node:http'
import * as https from 'node:https'
import type { LookupFunction } from 'node:net'
import type { SendWebhook } from '../core/ports.ts'
import { addressAllowed, checkUrl } from '../delivery/url-guard.ts'

const CONNECT_TIMEOUT_MS = 5_000
const TOTAL_TIMEOUT_MS = 15_000
const MAX_ANSWER_BYTES = 64 * 1024

export function nodeSender({ allowPrivate }: { allowPrivate: boolean }): {
  send: SendWebhook
  close: () => void
} {
  const guarded: LookupFunction = (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, '')
      const allowed = addresses.filter(({ address }) => addressAllowed(address, { allowPrivate }))
      const [first] = allowed
      if (!first) return callback(new Error('the name resolves to no allowed address'), '')
      if (options.all) return callback(null, allowed)
      callback(null, first.address, first.family)
    })
  }
  const agents = {
    'http:': new http.Agent({ keepAlive: true, maxSockets: 16 }),
    'https:': new https.Agent({ keepAlive: true, maxSockets: 16 }),
  }

  function send(url: string, headers: Record<string, string>, body: string) {
    const checked = checkUrl(url, { allowPrivate })
    if ('reason' in checked) return Promise.reject(new Error(checked.reason))
    const protocol = checked.url.protocol === 'https:' ? 'https:' : 'http:'
    const request = (protocol === 'https:' ? https : http).request(checked.url, {
      method: 'POST',
      agent: agents[protocol],
      lookup: guarded,
      headers: { ...headers, 'content-length': Buffer.byteLength(body) },
      signal: AbortSignal.timeout(TOTAL_TIMEOUT_MS),
    })
    return new Promise<{ status: number }>((resolve, reject) => {
      request.setTimeout(CONNECT_TIMEOUT_MS, () => request.destroy(new Error('no answer in time')))
      request.on('error', reject)
      request.on('response', (response) => {
        let size = 0
        response.on('data', (chunk: Buffer) => {
          size += chunk.length
          if (size > MAX_ANSWER_BYTES) response.destroy()
        })
        response.on('close', () => resolve({ status: response.statusCode ?? 0 }))
        response.on('error', () => resolve({ status: response.statusCode ?? 0 }))
      })
      request.end(body)
    })
  }

  return {
    send,
    close: () => {
      for (const agent of Object.values(agents)) agent.destroy()
    },
  }
}
