// A transcoding job of Media Processing: submitted once it is accepted, then asked for its state.
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
    const reached = await store.process?.media?.state(progress.taskId)
    if (!reached || reached.state === 'running') return { kind: 'running', progress }
    if (reached.state === 'failed') {
      return refused(reached.code, `The job ended without a result (${reached.code}).`)
    }
    // The job's own word is enough: where it saved under a name of its own, HEAD may show nothing.
    const key = reached.key ?? planned
    const found = await store.head(key)
    return found ? saved(found) : { kind: 'done', object: { key } }
  },
)
