// Our own calls to a store, signed by header.
import type { SignedRequest, Validity } from '../../core/ports/object-store.ts'
import type { StoredUpload } from '../../core/stored.ts'
import { expectXml, type FailureRules, type StoreAnswer, sendToStore } from './send.ts'
import type { XmlNode } from './xml.ts'

export interface StoreCall {
  method: 'GET' | 'PUT' | 'POST' | 'DELETE' | 'HEAD'
  /** Not encoded; absent for a call about the bucket. */
  key?: string
  query?: ReadonlyArray<readonly [name: string, value: string]>
  headers?: Record<string, string>
}

export type CallBody = string | Uint8Array<ArrayBuffer>

/** Of a PUT: its sender sends `sent` itself, and the signature covers `signed`. */
export interface PutHeaders {
  sent: Record<string, string>
  signed: Record<string, string>
}

/** Signs for one bucket with one key. Pure: the time is an argument. */
export interface Signer {
  /** For our own calls, ready for fetch. */
  byHeader(
    call: StoreCall,
    now: Date,
    body?: CallBody,
  ): { url: string; headers: Record<string, string> }
  /** For clients. Every header of the call is signed; the client sends `sent` itself. */
  byQuery(
    call: StoreCall & { method: SignedRequest['method'] },
    validity: Validity,
    sent?: Record<string, string>,
  ): SignedRequest
  /** For clients, for the parts of one storage upload. The shared work is done once. */
  forParts(
    upload: StoredUpload,
    validity: Validity,
  ): (partNumber: number, headers: PutHeaders) => SignedRequest
}

export interface CallerOptions {
  clock: () => Date
  fetch: typeof fetch
  /** For one call; 30 s by default. */
  timeoutMs?: number
}

export interface Caller {
  /** Throws StoreFailure unless the status is 2xx or in `also`. */
  send(call: StoreCall, body?: CallBody, also?: readonly number[]): Promise<StoreAnswer>
  /** Sends, and reads the root element of this name. Throws StoreFailure for any other answer. */
  read(
    call: StoreCall,
    root: string,
    body?: string,
  ): Promise<{ answer: StoreAnswer; node: XmlNode }>
}

/** A proxy that compresses an answer drops its length and changes its ETag. Unsigned, because a proxy may change the header. */
const readingHeaders = (method: string): Record<string, string> =>
  method === 'HEAD' || method === 'GET' ? { 'accept-encoding': 'identity' } : {}

export function caller(
  signer: Pick<Signer, 'byHeader'>,
  failures: FailureRules,
  { clock, fetch, timeoutMs }: CallerOptions,
): Caller {
  const send: Caller['send'] = (call, body, also) => {
    const { url, headers: signed } = signer.byHeader(call, clock(), body)
    const headers = { ...signed, ...readingHeaders(call.method) }
    const request = { method: call.method, url, headers, body, timeoutMs }
    return sendToStore(fetch, request, failures, also)
  }
  return {
    send,
    async read(call, root, body) {
      const answer = await send(call, body)
      return { answer, node: expectXml(answer, root, failures) }
    },
  }
}
