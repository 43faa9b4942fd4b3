// What every handler is given: the options of the store, its state on disk and its callback key.
import type { Log } from '../../core/ports/log.ts'
import type { BucketSettingsFile } from './bucket/settings.ts'
import type { Disk } from './disk/index.ts'
import type { Keyholder } from './sts/keyring.ts'
import type { WireRequest } from './wire.ts'

export interface StoreServices {
  bucket: string
  disk: Disk
  settings: BucketSettingsFile
  clock: () => Date
  fetch: typeof fetch
  /** How long a callback may take; 5 s unless given. */
  callbackTimeoutMs?: number
  log: Log
  callbackKey: { sign(text: Uint8Array): string; publicKeyPem: string }
  /** Tells another start on the same directory that this one lives. */
  ownerId: string
  /** The store's own address, without a slash at its end. */
  url: () => string
  /** Where the service takes callbacks, without `/v1/callbacks`. */
  serviceUrls: () => readonly string[]
  /** Aborted when the store closes. */
  closing: AbortSignal
}

/** A verified request: the signature covers method, key, query and the signed headers. */
export interface StoreRequest extends Omit<WireRequest, 'addresses' | 'rawPath'> {
  key: string
  holder: Keyholder
  requestId: string
  clientIp: string
  /** Undefined for a chunked body. */
  contentLength: number | undefined
  /** Starts reading; a client that waits for "100 Continue" is told to go on. */
  body(): AsyncIterable<Uint8Array>
}

export interface Reply {
  status: number
  headers?: Record<string, string>
  body?: string | AsyncIterable<Uint8Array>
  /** Called when the reply has been written, or could not be. */
  end?: () => Promise<void>
}

export type Handler = (request: StoreRequest, services: StoreServices) => Promise<Reply>
