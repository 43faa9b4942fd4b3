// SubmitJobs and QueryJobList of Media Processing. The double verifies each signature and reads each parameter as documented.
// Jobs proceed when the test says so, and a successful job really saves its output.
import { utf8 } from '../../../src/bytes/encoding.ts'
import { acs3Verifier, type Fault, fault } from '../../../src/embedded/store/sts/verify-acs3.ts'
import type { WireRequest } from '../../../src/embedded/store/wire.ts'
import type { ProcessingStoreOptions } from './server.ts'
import type { BucketAccess } from './stored.ts'

const VERSION = '2014-06-18'
const MAX_OUTPUTS = 30
const MAX_JOB_IDS = 10

type JobState =
  | 'Submitted'
  | 'Transcoding'
  | 'TranscodeSuccess'
  | 'TranscodeFail'
  | 'TranscodeCancelled'

interface Job {
  state: JobState
  code?: string
  key: string
  saveAs: string
  templateId: string
  pipelineId: string
}

type Answer = { status: number; body: Record<string, unknown> }

export function mediaService(options: ProcessingStoreOptions, stored: BucketAccess) {
  const verify = acs3Verifier(options)
  const jobs = new Map<string, Job>()
  const pipelines = new Set(['pipeline-1'])
  const templates = new Set(['S00000001-200010'])
  let submitted = 0
  let asked = 0

  function submit(parameters: WireRequest['query']): Fault | Record<string, unknown> {
    const input = readJson(parameters.get('Input')) as Record<string, string> | undefined
    const outputs = readJson(parameters.get('Outputs'))
    const bucket = parameters.get('OutputBucket')
    const location = `oss-${options.region}`
    if (input?.Bucket !== options.bucket || input.Location !== location || !input.Object) {
      return fault('InvalidParameter.Input', 'Input names no object of a bucket in this region.')
    }
    if (bucket !== options.bucket || parameters.get('OutputLocation') !== location) {
      return fault('InvalidParameter.OutputBucket', 'The output goes to a bucket in this region.')
    }
    if (!Array.isArray(outputs) || outputs.length < 1 || outputs.length > MAX_OUTPUTS) {
      return fault('InvalidParameter.Outputs', `1 to ${MAX_OUTPUTS} outputs.`)
    }
    const pipelineId = parameters.get('PipelineId') ?? ''
    if (!pipelines.has(pipelineId)) {
      return fault('InvalidPipeline.NotFound', 'The pipeline does not exist.', 404)
    }
    const results = (outputs as Array<Record<string, string>>).map((output) => {
      const templateId = output.TemplateId ?? ''
      if (!templates.has(templateId) || !output.OutputObject) {
        return { Success: false, Code: 'InvalidTemplate.NotFound', Message: 'No such template.' }
      }
      const JobId = `job${++submitted}`
      const key = decodeURIComponent(input.Object!)
      const saveAs = decodeURIComponent(output.OutputObject)
      jobs.set(JobId, { state: 'Submitted', key, saveAs, templateId, pipelineId })
      return {
        Success: true,
        Job: { JobId, State: 'Submitted', Percent: 0, PipelineId: pipelineId },
      }
    })
    return { JobResultList: { JobResult: results } }
  }

  function query(parameters: WireRequest['query']): Fault | Record<string, unknown> {
    asked++
    const ids = (parameters.get('JobIds') ?? '').split(',').filter((id) => id !== '')
    if (ids.length < 1 || ids.length > MAX_JOB_IDS) {
      return fault('InvalidParameter', `1 to ${MAX_JOB_IDS} job ids.`)
    }
    const unknown = ids.filter((id) => !jobs.has(id))
    return {
      JobList: {
        Job: ids.filter((id) => jobs.has(id)).map((id) => describeJob(id, jobs.get(id)!)),
      },
      ...(unknown.length ? { NonExistJobIds: { String: unknown } } : {}),
    }
  }

  function describeJob(JobId: string, { state, code, saveAs }: Job) {
    return {
      JobId,
      State: state,
      Percent: state === 'TranscodeSuccess' ? 100 : 0,
      ...(code ? { Code: code, Message: 'The job failed.' } : {}),
      Output: {
        OutputFile: {
          Bucket: options.bucket,
          Location: `oss-${options.region}`,
          Object: encodeURIComponent(saveAs),
        },
      },
    }
  }

  return {
    jobs,
    pipelines,
    /** How many times a state was queried. */
    asked: () => asked,

    async call(wire: WireRequest, body: string, requestId: string): Promise<Answer> {
      const { 'x-acs-action': action, 'x-acs-version': version } = wire.headers
      const wrong =
        verify(wire, body) ??
        (version === VERSION ? undefined : fault('InvalidVersion', `Version ${VERSION} only.`))
      const result = wrong ?? (action === 'SubmitJobs' ? submit(wire.query) : query(wire.query))
      if (!('code' in result)) return { status: 200, body: { RequestId: requestId, ...result } }
      const { status, code, message } = result as Fault
      return {
        status,
        body: { Code: code, Message: message, RequestId: requestId, HostId: 'mts.test' },
      }
    },

    async finish(id: string, state: JobState, code?: string): Promise<void> {
      const job = jobs.get(id)!
      jobs.set(id, { ...job, state, code })
      if (state !== 'TranscodeSuccess') return
      const source = await stored.read(job.key)
      const bytes = Buffer.concat([utf8(`${job.templateId}\n`), source!.bytes])
      await stored.write(job.saveAs, { bytes, contentType: 'video/mp4' })
    },
  }
}

function readJson(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '')
  } catch {
    return undefined
  }
}
