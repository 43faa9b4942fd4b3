// Asynchronous processing of OSS. Nothing is documented to ask a task's state by, so it is done when its result is there:
// an object under the fixed key that was not there before.
import { processing, running, saved } from './processing.ts'

export const ossAsync = processing<'oss-async'>(
  async (work) => {
    const { process, source, saveAs, target } = work
    const { operation, maxSeconds } = target
    return running(work, await process.async({ key: source, operation, saveAs }), maxSeconds)
  },
  async (store, key, progress) => {
    const found = await store.head(key)
    const { before } = progress
    if (!found?.etag) return { kind: 'running', progress }
    const isNew =
      before?.etag !== found.etag || before?.lastModified !== found.lastModified?.toISOString()
    return isNew ? saved(found) : { kind: 'running', progress }
  },
)
