// Uploads one file: resumes the unfinished upload of the same file or creates one, sends what is missing, completes it.
// Portable: browsers and Node.
import { api, type Call, type CreatedUpload } from './api.ts'
import { completeAtStore } from './direct.ts'
import type { UploadOptions, UploadResult } from './options.ts'
import { pause, persist } from './retry.ts'
import { type Run, reportProgress, sendMissing, type Tokens } from './send-missing.ts'
import { fingerprintOf, type Source } from './source.ts'

export type { Progress, UploadOptions, UploadResult } from './options.ts'
export { fingerprintOf, type Source } from './source.ts'

/**
 * Uploads a file and returns when it is completed. An interrupted upload of the same file is resumed, also on another device.
 * Network failures and overload are retried. Rejects with the service's own problem if it refuses (`code`, `status`), with the
 * signal's reason if it was aborted, and otherwise with an Error that names the part that could not be sent.
 *
 * ```ts
 * const file = input.files[0]
 * const { id, key } = await upload(
 *   { name: file.name, size: file.size, type: file.type, slice: async (from, to) => file.slice(from, to) },
 *   {
 *     url: 'https://uploads.example.com',
 *     credential: grant,
 *     onProgress: ({ sentBytes, totalBytes }) => show(sentBytes / totalBytes),
 *   },
 * )
 * ```
 */
export async function upload(source: Source, options: UploadOptions): Promise<UploadResult> {
  const call = api({ url: options.url, fetch: options.fetch, signal: options.signal })
  const session = await create(call, source, options)
  const { id, key, plan, missing } = session
  const run = { call, source, options, session }
  options.onCreated?.({ id, resumed: missing !== undefined, partCount: plan.partCount ?? 0 })
  const tokens = await sendMissing(run)
  reportProgress(run, 'completing', source.size, 0)
  await complete(run, tokens)
  reportProgress(run, 'completed', source.size, 0)
  return { id, key, sizeBytes: source.size, uploadToken: tokens.uploadToken }
}

async function create(call: Call, source: Source, options: UploadOptions) {
  const { credential, subject, policy, partSizeBytes, metadata, signal } = options
  const headers = { 'idempotency-key': crypto.randomUUID() }
  const body = {
    filename: source.name,
    sizeBytes: source.size,
    contentType: source.type || undefined,
    fingerprint: await fingerprintOf(source),
    resume: true,
    subject,
    policy,
    partSizeBytes,
    metadata,
  }
  const send = () => call<CreatedUpload>('POST', '/v1/uploads', credential, body, headers)
  return (await persist(send, signal)).body
}

async function complete(
  { call, session: { id, complete: link }, options: { direct, credential, signal } }: Run,
  { completionToken, uploadToken }: Tokens,
): Promise<void> {
  if (direct && link.direct && completionToken !== undefined) {
    if (await completeAtStore(call, { id, token: completionToken, uploadToken, signal })) return
  }
  const path = `/v1/uploads/${id}/complete`
  for (;;) {
    const send = () => call('POST', path, completionToken ?? credential, {})
    const { status, retryAfterSeconds } = await persist(send, signal)
    if (status === 200) return
    await pause((retryAfterSeconds ?? 2) * 1000, signal)
  }
}
