// A transcoding job of Media Processing: submitted once, then polled.
import { processing, refused, running, saved } from './processing.ts'

export const media = processing<'media'>(
  async (work) => {
    const { process, source, saveAs, target } = work
    const { pipelineId, templateId, maxSeconds } = target
    if (!process.media) return refused('not-offered')
    const job = { key: source, saveAs, pipelineId, templateId }
    return running(work, await process.media.submit(job), maxSeconds)
  },
  async (store, planned, progress) => {
    const job = await store.process?.media?.state(progress.taskId)
    if (!job || job.state === 'running') return { kind: 'running', progress }
    if (job.state === 'failed') {
      return refused(job.code, `The job ended without a result (${job.code}).`)
    }
    // The job's state is enough: if it chose another key, HEAD may find nothing.
    const key = job.key ?? planned
    const found = await store.head(key)
    return found ? saved(found) : { kind: 'done', object: { key } }
  },
)
