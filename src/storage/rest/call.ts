// Our own calls to OSS: signed by header, bounded, their failures sorted.

import type { OssCall, OssSigner } from '../oss/sign.ts'
import { type StoreAnswer, sendToStore } from './send.ts'

export interface OssCaller {
  clock: () => Date
  fetch: typeof fetch
  /** How long a call may take; 30 s unless given. */
  timeoutMs?: number
}

/** A proxy that compresses an answer drops its length and changes its ETag. Not signed, so that a proxy may change it. */
const readingHeaders = (method: string): Record<string, string> =>
  method === 'HEAD' || method === 'GET' ? { 'accept-encoding': 'identity' } : {}

/** Throws StoreFailure for all but 2xx; a status in `also` is answered too. */
export type SendToOss = (
  call: OssCall,
  body?: string | Uint8Array<ArrayBuffer>,
  also?: readonly number[],
) => Promise<StoreAnswer>

export const ossCaller =
  (signer: OssSigner, { clock, fetch, timeoutMs }: OssCaller): SendToOss =>
  (call, body, also) => {
    const { url, headers: signed } = signer.byHeader(call, clock())
    const headers = { ...signed, ...readingHeaders(call.method) }
    return sendToStore(fetch, { method: call.method, url, headers, body, timeoutMs }, also)
  }
