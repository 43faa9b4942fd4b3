// Asynchronous processing of OSS. No documented call tells a task's state, so it is done once a new object is stored under the
// result's key.
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
