// Sends the parts that the store lacks. Stored parts are verified first; a storage upload that the store lost is healed.
import { crc64 } from '../bytes/crc64.ts'
import type { Call, CreatedUpload, UploadStatus } from './api.ts'
import type { Progress, UploadOptions } from './options.ts'
import { fetchPut, StorageUploadLost, sendParts } from './parts.ts'
import { persist } from './retry.ts'
import { type Source, toBytes } from './source.ts'

/** The service begins a lost storage upload again at most this often for one session. */
const MAX_HEALINGS = 3

/** Shared by all steps of one upload. */
export interface Run {
  call: Call
  source: Source
  options: UploadOptions
  session: CreatedUpload
}

export type Tokens = Pick<UploadStatus, 'uploadToken' | 'completionToken'>
type Current = Pick<CreatedUpload, 'parts' | 'partsExpireAt' | 'missing'> & Tokens

/** Returns the newest tokens of the session. */
export async function sendMissing(run: Run): Promise<Tokens> {
  const { session } = run
  if (session.state !== 'open') return session
  let current: Current = session
  const renewToken = async () => {
    const { uploadToken, completionToken } = await readStatus(run)
    current = { ...current, uploadToken, completionToken }
    return uploadToken
  }
  for (let healings = 0; ; healings++) {
    const differing = await findDiffering(run, current)
    try {
      await sendOnce(run, current, differing, renewToken)
      return current
    } catch (error) {
      if (!(error instanceof StorageUploadLost) || healings >= MAX_HEALINGS) throw error
      // Reading the status heals the session.
      const status = await readStatus(run)
      if (status.state === 'completed') return status
      current = { ...status, parts: [], partsExpireAt: undefined }
    }
  }
}

async function readStatus({ call, session, options }: Run, query = ''): Promise<UploadStatus> {
  const path = `/v1/uploads/${session.id}${query}`
  const read = () => call<UploadStatus>('GET', path, options.credential)
  return (await persist(read, options.signal)).body
}

export function reportProgress(
  { source, session: { plan }, options }: Run,
  state: Progress['state'],
  sentBytes: number,
  resumedBytes: number,
): void {
  const partCount = plan.partCount ?? 0
  const isAll = sentBytes === source.size
  const partsDone = isAll ? partCount : Math.floor(sentBytes / plan.partSizeBytes)
  options.onProgress?.({
    state,
    sentBytes,
    totalBytes: source.size,
    partsDone: Math.min(partCount, partsDone),
    partCount,
    resumedBytes,
  })
}

function missingNumbers(missing: CreatedUpload['missing'], partCount: number): number[] {
  const numbers: number[] = []
  for (const [from, to] of missing ?? [[1, partCount]]) {
    for (let number = from; number <= (to ?? partCount); number++) numbers.push(number)
  }
  return numbers
}

function partRange({ source, session: { plan } }: Run, partNumber: number) {
  const start = (partNumber - 1) * plan.partSizeBytes
  const end = Math.min(source.size, partNumber * plan.partSizeBytes)
  return { start, end, sizeBytes: end - start }
}

async function sendOnce(
  run: Run,
  current: Current,
  differing: readonly number[],
  renewToken: () => Promise<string>,
): Promise<void> {
  const { call, source, session, options } = run
  const partCount = session.plan.partCount ?? 0
  const unsent = new Set([...missingNumbers(current.missing, partCount), ...differing])
  const partNumbers = [...unsent].sort((a, b) => a - b)
  const toSend = partNumbers.reduce((sum, number) => sum + partRange(run, number).sizeBytes, 0)
  const resumedBytes = source.size - toSend
  let sentBytes = resumedBytes
  for (let number = 1; number <= partCount; number++) {
    if (!unsent.has(number)) options.onPart?.(number)
  }
  reportProgress(run, 'sending', sentBytes, resumedBytes)
  await sendParts({
    call,
    uploadId: session.id,
    uploadToken: current.uploadToken,
    single: session.method === 'single',
    renewToken,
    signed: current.parts,
    signedUntil: current.partsExpireAt,
    partNumbers,
    read(number) {
      const { start, end } = partRange(run, number)
      return source.slice(start, end)
    },
    put: options.put ?? fetchPut,
    parallel: options.parallel ?? 4,
    signal: options.signal,
    onSent(number, sizeBytes) {
      sentBytes += sizeBytes
      options.onPart?.(number)
      reportProgress(run, 'sending', sentBytes, resumedBytes)
    },
  })
}

/** Finds the stored parts whose CRC64 is not that of the file's bytes. */
async function findDiffering(run: Run, { missing }: Current): Promise<number[]> {
  const { source, session, options } = run
  const partCount = session.plan.partCount ?? 0
  const isResumed = session.method !== 'single' && missing !== undefined
  if (!isResumed || missingNumbers(missing, partCount).length === partCount) return []
  const differing: number[] = []
  let verifiedBytes = 0
  for (let cursor = ''; ; ) {
    const status = await readStatus(run, `?parts=true${cursor ? `&cursor=${cursor}` : ''}`)
    for (const { partNumber, crc64: stored } of status.parts ?? []) {
      options.signal?.throwIfAborted()
      const { start, end } = partRange(run, partNumber)
      const bytes = await toBytes(await source.slice(start, end))
      if (stored !== crc64(bytes).toString()) differing.push(partNumber)
      verifiedBytes += bytes.length
      reportProgress(run, 'verifying', verifiedBytes, verifiedBytes)
    }
    if (!status.nextCursor) return differing
    cursor = status.nextCursor
  }
}
