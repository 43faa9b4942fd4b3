// Transcoding jobs of Media Processing (MPS): one input, one output, both in the store's bucket.
// Source: Alibaba Cloud, ApsaraVideo Media Processing, "SubmitJobs", "QueryJobList".
import { percentEncode } from '../../bytes/encoding.ts'
import type { MediaJob, MediaState, StoreMedia } from '../../core/ports/object-store.ts'
import { StoreFailure } from '../../core/ports/store-failure.ts'
import { type ApiOptions, apiCaller, isTransient } from './api.ts'

const VERSION = '2014-06-18'

export interface MpsOptions extends ApiOptions {
  bucket: string
  /** Without `oss-`. */
  region: string
}

type Json = Record<string, unknown>

/** Object names are percent-encoded before they go into the JSON. */
function submitQuery(
  { bucket, region }: Pick<MpsOptions, 'bucket' | 'region'>,
  { key, saveAs, pipelineId, templateId }: MediaJob,
): Record<string, string> {
  const location = `oss-${region}`
  return {
    Input: JSON.stringify({ Bucket: bucket, Location: location, Object: percentEncode(key) }),
    OutputBucket: bucket,
    OutputLocation: location,
    Outputs: JSON.stringify([{ OutputObject: percentEncode(saveAs), TemplateId: templateId }]),
    PipelineId: pipelineId,
  }
}

const unreadable = () => new StoreFailure('ambiguous', 'UnreadableAnswer', 200)

const textIn = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined

/** The first of a list that the API wraps twice: `{JobList: {Job: […]}}`. */
function firstOf(answer: Json, outer: string, inner: string): Json | undefined {
  const list = (answer[outer] as Json | undefined)?.[inner]
  const first: unknown = Array.isArray(list) ? list[0] : undefined
  return typeof first === 'object' && first !== null ? (first as Json) : undefined
}

export function readSubmitted(answer: Json): string {
  const result = firstOf(answer, 'JobResultList', 'JobResult')
  if (result?.Success === false) {
    const code = textIn(result.Code) ?? 'JobRefused'
    throw new StoreFailure(isTransient(code) ? 'ambiguous' : 'refused', code, 200)
  }
  const jobId = textIn((result?.Job as Json | undefined)?.JobId)
  if (!jobId) throw unreadable()
  return jobId
}

function savedUnder(job: Json): string | undefined {
  const output = job.Output as Json | undefined
  const name = textIn((output?.OutputFile as Json | undefined)?.Object)
  try {
    return name && decodeURIComponent(name)
  } catch {
    return undefined
  }
}

export function readState(answer: Json, jobId: string): MediaState {
  const job = firstOf(answer, 'JobList', 'Job')
  if (!job) {
    const unknown = (answer.NonExistJobIds as Json | undefined)?.String
    if (Array.isArray(unknown) && unknown.includes(jobId)) {
      return { state: 'failed', code: 'job-unknown' }
    }
    throw unreadable()
  }
  switch (job.State) {
    case 'Submitted':
    case 'Transcoding':
      return { state: 'running' }
    case 'TranscodeSuccess':
      return { state: 'done', key: savedUnder(job) }
    case 'TranscodeFail':
    case 'TranscodeCancelled':
      return { state: 'failed', code: textIn(job.Code) ?? job.State }
    default:
      throw unreadable()
  }
}

export function mps(options: MpsOptions): StoreMedia {
  const call = apiCaller(VERSION, options)
  return {
    submit: async (job) =>
      readSubmitted(await call('SubmitJobs', { query: submitQuery(options, job) })),
    state: async (jobId) =>
      readState(await call('QueryJobList', { query: { JobIds: jobId } }), jobId),
  }
}
