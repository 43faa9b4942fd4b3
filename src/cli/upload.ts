// `countersign upload` and `resume`: sends one file and shows its progress. After Ctrl-C the upload can be resumed.
import { ApiProblem } from '../client/api.ts'
import { type UploadResult, upload } from '../client/index.ts'
import { fileSource } from './file-source.ts'
import { progressBar, type Terminal } from './progress.ts'
import type { Unfinished, UnfinishedUploads } from './unfinished.ts'

export interface UploadContext {
  credential: string
  /** False for a grant or a JWT, because they carry their own subject. */
  namesSubject: boolean
  unfinished: UnfinishedUploads
  parallel: number
  json: boolean
  out: (line: string) => void
  progress: Terminal
  now: () => number
  signal: AbortSignal
}

const STOPPED = 130

/** Returns the exit code. */
export async function uploadFile(context: UploadContext, entry: Unfinished): Promise<number> {
  const { unfinished, signal, now } = context
  const startedAt = now()
  const bar = progressBar(entry.file.split('/').at(-1)!, context.progress, now)
  const say = (line: string) => {
    bar.end()
    context.progress.write(`${line}\n`)
  }
  try {
    const source = await fileSource(entry.file, entry.contentType)
    try {
      const result = await upload(source, {
        url: entry.url,
        credential: context.credential,
        subject: context.namesSubject ? entry.subject : undefined,
        policy: entry.policy,
        partSizeBytes: entry.partSizeBytes,
        parallel: context.parallel,
        signal,
        onCreated({ id, resumed, partCount }) {
          void unfinished.remember({ ...entry, uploadId: id })
          if (resumed) say(`Resuming ${id} (${partCount} parts).`)
        },
        onProgress: bar.show,
      })
      bar.end()
      await unfinished.forget(entry)
      report(context, result, (now() - startedAt) / 1000)
      return 0
    } finally {
      await source.close()
    }
  } catch (error) {
    if (signal.aborted) {
      say(`Stopped. Resume with: npx countersign resume ${entry.file}`)
      return STOPPED
    }
    say(explain(error, entry))
    return 1
  }
}

function report({ json, out }: UploadContext, result: UploadResult, seconds: number): void {
  const { id, key, sizeBytes } = result
  out(
    json
      ? JSON.stringify({ id, key, sizeBytes, seconds })
      : `${key}  ${sizeBytes} bytes  ${id}  ${seconds.toFixed(1)} s`,
  )
}

function explain(error: unknown, { url, file }: Pick<Unfinished, 'url' | 'file'>): string {
  if (error instanceof ApiProblem) {
    return `Upload failed (${error.code}): ${error.userMessage ?? error.message}`
  }
  const message = error instanceof Error ? error.message : String(error)
  if (message === 'fetch failed') {
    return `Upload failed: ${url} does not answer. Is it running? Resume with: npx countersign resume ${file}`
  }
  return `Upload failed: ${message}`
}
