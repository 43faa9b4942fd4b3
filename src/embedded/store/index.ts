// The embedded store: a small OSS-protocol server on disk, in this process, on its own port. For laptops and tests.
// It verifies signatures over the bytes received, survives a kill, and sends signed callbacks.
import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Log } from '../../core/ports/log.ts'
import { nodeFetch } from '../../net/node-fetch.ts'
import { openSettings } from './bucket/settings.ts'
import { openCallbackKey } from './callback/key.ts'
import { openDisk } from './disk/index.ts'
import { randomId } from './disk/layout.ts'
import { checkUnowned, claimDirectory, releaseDirectory } from './owner.ts'
import { storeServer } from './server.ts'
import type { StoreServices } from './services.ts'
import { keyring, type StoreKey } from './sts/keyring.ts'
import { acs3Verifier } from './sts/verify-acs3.ts'
import { STORE_LIMITS, type StoreLimits, unverifiedReader } from './unverified.ts'

export interface EmbeddedStoreOptions extends StoreKey {
  /** Created with mode 0700 if absent. */
  directory: string
  /** The address to bind, such as 127.0.0.1. */
  host: string
  /** 0 means any free port. */
  port: number
  /** If the port is taken, take a free one instead of failing. */
  orFreePort?: boolean
  bucket: string
  region: string
  /** The service's addresses, for its callbacks. Without any, callbacks go to this machine only. */
  serviceUrls?: () => readonly string[]
  limits?: Partial<StoreLimits>
  /** Sends the callbacks, over node:http by default. */
  fetch?: typeof fetch
  log: Log
}

export interface EmbeddedStore {
  url: string
  port: number
  callbackPublicKeyPem: string
  close(): Promise<void>
}

/** Resolves when the store accepts requests. Rejects if the port is taken, or another store uses the directory. */
export async function startEmbeddedStore(options: EmbeddedStoreOptions): Promise<EmbeddedStore> {
  const { directory, bucket, region, clock, log } = options
  const { fetch = nodeFetch(), serviceUrls = () => [] } = options
  const limits = { ...STORE_LIMITS, ...options.limits }
  await checkUnowned(directory)
  const disk = await openDisk(directory, log)
  const settings = await openSettings(directory)
  const callbackKey = await openCallbackKey(directory)
  const closing = new AbortController()
  const ownerId = randomId()
  let url = ''
  const services: StoreServices = {
    bucket,
    region,
    clock,
    disk,
    settings,
    fetch,
    log,
    keyring: keyring(options),
    callbackKey,
    verifyAcs3: acs3Verifier(options),
    readUnverified: unverifiedReader(limits),
    ownerId,
    url: () => url,
    serviceUrls,
    closing: closing.signal,
  }
  const { server, close } = storeServer(services, options.host, limits)
  const port = await listen(server, options)
  url = `http://${localHost(options.host)}:${port}`
  await claimDirectory(directory, ownerId, url)
  return {
    url,
    port,
    callbackPublicKeyPem: callbackKey.publicKeyPem,
    async close() {
      closing.abort()
      await close()
      await releaseDirectory(directory)
    },
  }
}

async function listen(server: Server, options: EmbeddedStoreOptions): Promise<number> {
  const { host, port, orFreePort, log } = options
  try {
    await bind(server, host, port)
  } catch (error) {
    const taken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE'
    if (!taken || !orFreePort) throw error
    log('warn', 'the port is taken, using a free one', { port })
    await bind(server, host, 0)
  }
  return (server.address() as AddressInfo).port
}

async function bind(server: Server, host: string, port: number): Promise<void> {
  server.listen(port, host)
  await once(server, 'listening')
}

/** The host under which clients on this machine reach the store. */
function localHost(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1'
  return host.includes(':') ? `[${host}]` : host
}
