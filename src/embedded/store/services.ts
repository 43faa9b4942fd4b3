// The parameters of a handler: the verified request, and the store's options and state.
import type { Log } from '../../core/ports/log.ts'
import type { BucketSettingsFile } from './bucket/settings.ts'
import type { CallbackKey } from './callback/key.ts'
import type { Disk } from './disk/index.ts'
import type { SignatureContext } from './signature/match.ts'
import type { Keyholder } from './sts/keyring.ts'
import type { Acs3Verifier } from './sts/verify-acs3.ts'
import type { ReadUnverified } from './unverified.ts'
import type { WireRequest } from './wire.ts'

export interface StoreServices extends SignatureContext {
  bucket: string
  disk: Disk
  settings: BucketSettingsFile
  fetch: typeof fetch
  /** Bounds a callback; 5 s by default. */
  callbackTimeoutMs?: number
  log: Log
  callbackKey: CallbackKey
  verifyAcs3: Acs3Verifier
  readUnverified: ReadUnverified
  /** Served without a signature, so that another start on the same directory finds this one alive. */
  ownerId: string
  /** The store's own address, without a trailing slash. */
  url: () => string
  /** The service's own addresses, to which the path of its callbacks is added. */
  serviceUrls: () => readonly string[]
  /** Aborts when the store closes. */
  closing: AbortSignal
}

/** A verified request: the signature covers method, key, query and the signed headers. */
export interface StoreRequest extends Pick<WireRequest, 'method' | 'query' | 'headers'> {
  key: string
  holder: Keyholder
  requestId: string
  clientIp: string
  /** Undefined for a chunked body. */
  contentLength: number | undefined
  /** Starts reading, after a "100 Continue" if the client waits for one. */
  body(): AsyncIterable<Uint8Array>
}

export interface Reply {
  status: number
  headers?: Record<string, string>
  body?: string | AsyncIterable<Uint8Array>
  /** Called once the reply is written or has failed. */
  end?: () => Promise<void>
}

export type Handler = (request: StoreRequest, services: StoreServices) => Promise<Reply>
