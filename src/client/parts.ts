// Sends parts in parallel. URLs are signed late, a window at a time, and again if the store refuses them as expired.
import { ApiProblem, type Call, type SignedPart, type SignedParts } from './api.ts'
import { isRetryable, MAX_ATTEMPTS, pause, pauseMs, persist } from './retry.ts'

const WINDOW = 20
/** A URL is used until this long before it expires, or for half of its life if that is longer. */
const MARGIN_MS = 30_000

/** The store does not know the storage upload. Reading the status from the service heals it. */
export class StorageUploadLost extends Error {
  override readonly name = 'StorageUploadLost'
}

/** Sends one part and returns the store's status. */
export type PutPart = (
  part: SignedPart,
  body: Blob | Uint8Array<ArrayBuffer>,
  signal?: AbortSignal,
) => Promise<{ status: number }>

export const fetchPut: PutPart = async (part, body, signal) => {
  const { method, headers } = part
  const response = await fetch(part.url, { method, headers, body, signal })
  // Read to its end, so that the connection is free for the next part.
  if (!response.ok) await response.text()
  return { status: response.status }
}

export interface SendPartsOptions {
  call: Call
  uploadId: string
  uploadToken: string
  /** The file goes up in one PUT, not in parts. */
  single?: boolean
  /** Gets a fresh upload token after the old one has expired. */
  renewToken: () => Promise<string>
  /** Parts that are signed already. */
  signed: readonly SignedPart[]
  signedUntil?: string
  partNumbers: readonly number[]
  read: (partNumber: number) => Promise<Blob | Uint8Array<ArrayBuffer>>
  put: PutPart
  parallel: number
  signal?: AbortSignal
  onSent: (partNumber: number, sizeBytes: number) => void
}

export async function sendParts(options: SendPartsOptions): Promise<void> {
  const { call, uploadId, partNumbers, signal, parallel } = options
  let { uploadToken } = options
  const urls = new Map<number, { part: SignedPart; until: number }>()
  const addUrls = (parts: readonly SignedPart[], expiresAt: string | undefined) => {
    const life = expiresAt ? Date.parse(expiresAt) - Date.now() : 0
    const until = Date.now() + Math.max(life - MARGIN_MS, life / 2)
    for (const part of parts) urls.set(part.partNumber, { part, until })
  }
  addUrls(options.signed, options.signedUntil)
  let signing: Promise<void> | undefined
  let next = 0

  /** Signs the window that starts at `from`. All senders that wait share this request. */
  async function sign(from: number): Promise<void> {
    const path = `/v1/uploads/${uploadId}/parts`
    const window = { partNumbers: partNumbers.slice(from, from + WINDOW) }
    const request = () => call<SignedParts>('POST', path, uploadToken, window)
    const { body } = await persist(request, signal).catch(async (error: unknown) => {
      if (!(error instanceof ApiProblem) || error.status !== 401) throw error
      uploadToken = await options.renewToken()
      return persist(request, signal)
    })
    addUrls(body.parts, body.expiresAt)
  }

  async function urlFor(index: number): Promise<SignedPart> {
    for (;;) {
      const known = urls.get(partNumbers[index]!)
      if (known && known.until > Date.now()) return known.part
      signing ??= sign(index).finally(() => {
        signing = undefined
      })
      await signing
    }
  }

  async function send(index: number): Promise<void> {
    const partNumber = partNumbers[index]!
    const body = await options.read(partNumber)
    for (let attempt = 1; ; attempt++) {
      signal?.throwIfAborted()
      const part = await urlFor(index)
      const { status } = await options.put(part, body, signal).catch((error: unknown) => {
        if (signal?.aborted) throw error
        return { status: 0 }
      })
      if (status >= 200 && status < 300) return options.onSent(partNumber, part.sizeBytes)
      // By status, because each family of stores has its own codes. 409 and 412: an object has the key already, perhaps from an
      // earlier try. Completing tells whose it is.
      if (options.single && (status === 409 || status === 412)) return
      const refusal = `The store refused part ${partNumber} with ${status}.`
      if (!options.single && status === 404) throw new StorageUploadLost(refusal)
      if (status === 403) urls.delete(partNumber)
      else if (status !== 0 && !isRetryable(status)) throw new Error(refusal)
      if (attempt >= MAX_ATTEMPTS) {
        throw new Error(`Part ${partNumber} could not be sent after ${attempt} tries.`)
      }
      await pause(pauseMs(attempt, Math.random()), signal)
    }
  }

  async function sender(): Promise<void> {
    while (next < partNumbers.length) await send(next++)
  }
  const senders = Array.from({ length: Math.min(parallel, partNumbers.length) }, sender)
  try {
    await Promise.all(senders)
  } finally {
    next = partNumbers.length
    await Promise.allSettled(senders)
  }
}
