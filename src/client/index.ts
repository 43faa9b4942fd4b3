// Uploads one file: finds the unfinished upload of the same file or creates one, verifies what is stored, sends what is
// missing, completes. Portable: browsers and Node.
import { crc64 } from '../bytes/crc64.ts'
import { api, type Call, type CreatedUpload, type UploadStatus } from './api.ts'
import { completeAtStore } from './direct.ts'
import { fetchPut, type PutPart, StorageUploadLost, sendParts } from './parts.ts'
import { pause, persist } from './retry.ts'

export interface Source {
  name: string
  size: number
  type?: string
  /** The bytes from `start` up to but not including `end`. A Blob has an empty type, so that no Content-Type is sent. */
  slice(start: number, end: number): Promise<Blob | Uint8Array<ArrayBuffer>>
}

export interface Progress {
  state: 'verifying' | 'sending' | 'completing' | 'completed'
  sentBytes: number
  totalBytes: number
  partsDone: number
  partCount: number
  /** Bytes that were stored before this run. */
  resumedBytes: number
}

export interface UploadOptions {
  url: string
  /** Grant, user JWT or api key. */
  credential: string
  /** With an api key only. */
  subject?: string
  policy?: string
  partSizeBytes?: number
  metadata?: Record<string, string>
  parallel?: number
  /** Complete at the store itself, where the policy offers it. */
  direct?: boolean
  signal?: AbortSignal
  fetch?: typeof fetch
  put?: PutPart
  onCreated?: (upload: { id: string; resumed: boolean; partCount: number }) => void
  onProgress?: (progress: Progress) => void
  onPart?: (partNumber: number) => void
}

export interface UploadResult {
  id: string
  key: string
  sizeBytes: number
  uploadToken: string
}

const EDGE_BYTES = 64 * 1024
/** A storage upload is begun anew at most this often behind one session. */
const MOST_HEALINGS = 3

const toBytes = async (
  content: Blob | Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer>> =>
  content instanceof Uint8Array ? content : new Uint8Array(await content.arrayBuffer())

/**
 * The same for the same file on every device: a hash over name, size, first and last 64 KiB. What is stored is verified
 * before it is trusted, so that a change in the middle costs time only.
 */
export async function fingerprintOf(source: Source): Promise<string> {
  const { name, size } = source
  const head = await toBytes(await source.slice(0, Math.min(size, EDGE_BYTES)))
  const tail = await toBytes(await source.slice(Math.max(0, size - EDGE_BYTES), size))
  const facts = new TextEncoder().encode(`${name.normalize('NFC')}\n${size}\n`)
  const all = new Uint8Array(facts.length + head.length + tail.length)
  all.set(facts)
  all.set(head, facts.length)
  all.set(tail, facts.length + head.length)
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', all))
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

export async function upload(source: Source, options: UploadOptions): Promise<UploadResult> {
  const call = api({ url: options.url, fetch: options.fetch, signal: options.signal })
  const created = await create(call, source, options)
  const partCount = created.plan.partCount ?? 0
  options.onCreated?.({ id: created.id, resumed: created.missing !== undefined, partCount })
  const sent = await sendMissing(call, source, created, options)
  options.onProgress?.(progressAt('completing', source, created, source.size, 0))
  await complete(call, created, sent, options)
  options.onProgress?.(progressAt('completed', source, created, source.size, 0))
  const { id, key } = created
  return { id, key, sizeBytes: source.size, uploadToken: sent.uploadToken }
}

async function create(call: Call, source: Source, options: UploadOptions): Promise<CreatedUpload> {
  const idempotencyKey = crypto.randomUUID()
  const body = {
    filename: source.name,
    sizeBytes: source.size,
    contentType: source.type || undefined,
    fingerprint: await fingerprintOf(source),
    resume: true,
    subject: options.subject,
    policy: options.policy,
    partSizeBytes: options.partSizeBytes,
    metadata: options.metadata,
  }
  const answer = await persist(
    () =>
      call<CreatedUpload>('POST', '/v1/uploads', options.credential, body, {
        'idempotency-key': idempotencyKey,
      }),
    options.signal,
  )
  return answer.body
}

function progressAt(
  state: Progress['state'],
  source: Source,
  { plan }: Pick<CreatedUpload, 'plan'>,
  sentBytes: number,
  resumedBytes: number,
): Progress {
  const partCount = plan.partCount ?? 0
  const partsDone = Math.min(partCount, Math.floor(sentBytes / plan.partSizeBytes))
  return {
    state,
    sentBytes,
    totalBytes: source.size,
    partsDone: sentBytes === source.size ? partCount : partsDone,
    partCount,
    resumedBytes,
  }
}

type Tokens = Pick<UploadStatus, 'uploadToken' | 'completionToken'>

/** Sends until nothing is missing. A storage upload that the store lost is healed by asking for the status. */
async function sendMissing(
  call: Call,
  source: Source,
  created: CreatedUpload,
  options: UploadOptions,
): Promise<Tokens> {
  if (created.state !== 'open') return created
  let current: Pick<CreatedUpload, 'parts' | 'partsExpireAt' | 'missing'> & Tokens = created
  const status = async () => {
    const { body } = await persist(
      () => call<UploadStatus>('GET', `/v1/uploads/${created.id}`, options.credential),
      options.signal,
    )
    return body
  }
  const renewToken = async () => {
    const { uploadToken, completionToken } = await status()
    current = { ...current, uploadToken, completionToken }
    return uploadToken
  }
  for (let healings = 0; ; healings++) {
    const differing = await verifyStored(call, source, created, current, options)
    try {
      await sendOnce(call, source, created, current, differing, renewToken, options)
      return current
    } catch (error) {
      if (!(error instanceof StorageUploadLost) || healings >= MOST_HEALINGS) throw error
      const body = await status()
      if (body.state === 'completed') return body
      current = { ...body, parts: [], partsExpireAt: undefined }
    }
  }
}

const numbersOf = (missing: CreatedUpload['missing'], partCount: number): number[] => {
  const numbers: number[] = []
  for (const [from, to] of missing ?? [[1, partCount]]) {
    for (let number = from; number <= (to ?? partCount); number++) numbers.push(number)
  }
  return numbers
}

async function sendOnce(
  call: Call,
  source: Source,
  created: CreatedUpload,
  current: Pick<CreatedUpload, 'parts' | 'partsExpireAt' | 'missing'> & Tokens,
  differing: readonly number[],
  renewToken: () => Promise<string>,
  options: UploadOptions,
): Promise<void> {
  const { partSizeBytes } = created.plan
  const partCount = created.plan.partCount ?? 0
  const partNumbers = [...new Set([...numbersOf(current.missing, partCount), ...differing])].sort(
    (a, b) => a - b,
  )
  const sizeOf = (number: number) =>
    Math.min(source.size, number * partSizeBytes) - (number - 1) * partSizeBytes
  const toSend = partNumbers.reduce((sum, number) => sum + sizeOf(number), 0)
  const resumedBytes = source.size - toSend
  let sentBytes = resumedBytes
  const report = () =>
    options.onProgress?.(progressAt('sending', source, created, sentBytes, resumedBytes))
  const waiting = new Set(partNumbers)
  for (let number = 1; number <= partCount; number++) {
    if (!waiting.has(number)) options.onPart?.(number)
  }
  report()
  await sendParts({
    call,
    uploadId: created.id,
    uploadToken: current.uploadToken,
    single: created.method === 'single',
    renewToken,
    signed: current.parts,
    signedUntil: current.partsExpireAt,
    partNumbers,
    read: (number) =>
      source.slice((number - 1) * partSizeBytes, Math.min(source.size, number * partSizeBytes)),
    put: options.put ?? fetchPut,
    parallel: options.parallel ?? 4,
    signal: options.signal,
    onSent(number, sizeBytes) {
      sentBytes += sizeBytes
      options.onPart?.(number)
      report()
    },
  })
}

/** Stored parts are trusted only when their CRC64 is that of the file's bytes; the numbers of those that differ. */
async function verifyStored(
  call: Call,
  source: Source,
  created: CreatedUpload,
  current: Pick<CreatedUpload, 'missing'>,
  options: UploadOptions,
): Promise<number[]> {
  const partCount = created.plan.partCount ?? 0
  if (created.method === 'single') return []
  if (current.missing === undefined || numbersOf(current.missing, partCount).length === partCount) {
    return []
  }
  const { partSizeBytes } = created.plan
  const differing: number[] = []
  let verifiedBytes = 0
  for (let cursor = ''; ; ) {
    const query = `parts=true${cursor ? `&cursor=${cursor}` : ''}`
    const { body } = await persist(
      () => call<UploadStatus>('GET', `/v1/uploads/${created.id}?${query}`, options.credential),
      options.signal,
    )
    for (const { partNumber, crc64: stored } of body.parts ?? []) {
      options.signal?.throwIfAborted()
      const end = Math.min(source.size, partNumber * partSizeBytes)
      const bytes = await toBytes(await source.slice((partNumber - 1) * partSizeBytes, end))
      if (stored !== crc64(bytes).toString()) differing.push(partNumber)
      verifiedBytes += bytes.length
      options.onProgress?.(progressAt('verifying', source, created, verifiedBytes, verifiedBytes))
    }
    if (!body.nextCursor) return differing
    cursor = body.nextCursor
  }
}

async function complete(
  call: Call,
  { id, complete: link }: CreatedUpload,
  { completionToken, uploadToken }: Tokens,
  { direct, credential, signal }: UploadOptions,
): Promise<void> {
  if (direct && link.direct && completionToken !== undefined) {
    if (await completeAtStore(call, { id, token: completionToken, uploadToken, signal })) return
  }
  const path = `/v1/uploads/${id}/complete`
  for (;;) {
    const { status, retryAfterSeconds } = await persist(
      () => call('POST', path, completionToken ?? credential, {}),
      signal,
    )
    if (status === 200) return
    await pause((retryAfterSeconds ?? 2) * 1000, signal)
  }
}
