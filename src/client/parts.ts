// Sends parts in parallel. URLs are signed late, a window at a time, and again if the store refuses them as expired.
import { ApiProblem, type Call, type SignedPart } from './api.ts'
import { isRetryable, MAX_ATTEMPTS, pause, pauseMs, persist } from './retry.ts'

const WINDOW = 20
/** A URL is used until this long before it expires, or for half of its life if that is longer. */
const MARGIN_MS = 30_000

/** The store does not know the storage upload. Reading the status from the service heals it. */
export class StorageUploadLost extends Error {
  override readonly name = 'StorageUploadLost'
}

/** Sends one part. Returns the store's status, and its body if the status is an error. */
export type PutPart = (
  part: SignedPart,
  body: Blob | Uint8Array<ArrayBuffer>,
  signal?: AbortSignal,
) => Promise<{ status: number; text: string }>

export const fetchPut: PutPart = async (part, body, signal) => {
  const response = await fetch(part.url, {
    method: part.method,
    headers: part.headers,
    body,
    signal,
  })
  return { status: response.status, text: response.ok ? '' : await response.text() }
}

export interface SendPartsOptions {
  call: Call
  uploadId: string
  uploadToken: string
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
    const window = { partNumbers: partNumbers.slice(from, from + WINDOW) }
    const request = () =>
      persist(
        () =>
          call<{ parts: SignedPart[]; expiresAt: string }>(
            'POST',
            `/v1/uploads/${uploadId}/parts`,
            uploadToken,
            window,
          ),
        signal,
      )
    const { body } = await request().catch(async (error: unknown) => {
      if (!(error instanceof ApiProblem) || error.status !== 401) throw error
      uploadToken = await options.renewToken()
      return request()
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
      const answer = await options.put(part, body, signal).catch((error: unknown) => {
        if (signal?.aborted) throw error
        return { status: 0, text: String(error) }
      })
      if (answer.status >= 200 && answer.status < 300) {
        options.onSent(partNumber, part.sizeBytes)
        return
      }
      // A single PUT that was already taken: completing tells whether it is ours.
      if (answer.status === 409 && answer.text.includes('FileAlreadyExists')) return
      if (answer.status === 404 && answer.text.includes('NoSuchUpload'))
        throw new StorageUploadLost()
      if (answer.status === 403) urls.delete(partNumber)
      else if (answer.status !== 0 && !isRetryable(answer.status)) {
        throw new Error(`The store refused part ${partNumber} with ${answer.status}.`)
      }
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
