// The embedded store: a small OSS-protocol server on disk, in this process, on its own port. For laptops and tests.
// It verifies V4 signatures from the bytes received, survives a kill, and fires real, signed callbacks.
import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Log } from '../../core/ports/log.ts'
import { nodeFetch } from '../../net/node-fetch.ts'
import { openSettings } from './bucket/settings.ts'
import { openCallbackKey } from './callback/key.ts'
import { openDisk, randomId } from './disk/index.ts'
import { formPoster } from './form/post-object.ts'
import { formVerifier } from './form/verify.ts'
import { checkUnowned, disown, own } from './owner.ts'
import { storeServer } from './server.ts'
import type { StoreServices } from './services.ts'
import { roleAssumer } from './sts/assume-role.ts'
import { keyring } from './sts/keyring.ts'
import { STORE_LIMITS, type StoreLimits, unverifiedReader } from './unverified.ts'
import { verifier } from './verify.ts'

export interface EmbeddedStoreOptions {
  /** Created, for its owner only, if absent. */
  directory: string
  /** The address to bind, such as 127.0.0.1. */
  host: string
  /** 0 means any free one. */
  port: number
  /** If the port is taken, take a free one instead of failing. */
  orFreePort?: boolean
  bucket: string
  region: string
  accessKeyId: string
  secretAccessKey: string
  clock: () => Date
  /** Of the service, under which it takes callbacks; without any they only go to this machine. */
  serviceUrls?: () => readonly string[]
  limits?: Partial<StoreLimits>
  /** Sends the callbacks, if not over node:http. */
  fetch?: typeof fetch
  log: Log
}

export interface EmbeddedStore {
  url: string
  port: number
  callbackPublicKeyPem: string
  close(): Promise<void>
}

/** Resolves when the store accepts requests. Rejects if the port is taken, or the directory is another store's. */
export async function startEmbeddedStore(options: EmbeddedStoreOptions): Promise<EmbeddedStore> {
  const { directory, bucket, clock, fetch = nodeFetch(), log, serviceUrls = () => [] } = options
  await checkUnowned(directory)
  const disk = await openDisk(directory, log)
  const settings = await openSettings(directory)
  const callbackKey = await openCallbackKey(directory)
  const closing = new AbortController()
  const ownerId = randomId()
  let url = ''
  const services: StoreServices = {
    bucket,
    disk,
    settings,
    clock,
    fetch,
    log,
    callbackKey,
    ownerId,
    url: () => url,
    serviceUrls,
    closing: closing.signal,
  }
  const keys = keyring(options)
  const limits = { ...STORE_LIMITS, ...options.limits }
  const readUnverified = unverifiedReader(limits)
  const gates = {
    verify: verifier({ ...options, keyring: keys }),
    postForm: formPoster(formVerifier({ ...options, keyring: keys }), readUnverified),
    assumeRole: roleAssumer({ ...options, keyring: keys }),
    readUnverified,
  }
  const { server, close } = storeServer(services, gates, limits)
  const port = await listen(server, options)
  url = `http://${reachable(options.host)}:${port}`
  await own(directory, ownerId, url)
  return {
    url,
    port,
    callbackPublicKeyPem: callbackKey.publicKeyPem,
    async close() {
      closing.abort()
      await close()
      await disown(directory)
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

/** An address that a client on this machine can use. */
function reachable(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1'
  return host.includes(':') ? `[${host}]` : host
}
