// Image processing of OSS: the store answers once the result is saved, and HEAD confirms it.
import { processing, saved } from './processing.ts'

export const ossImage = processing<'oss-image'>(
  async ({ store, process, source, saveAs, target: { operation } }) => {
    await process.image({ key: source, operation, saveAs })
    const result = await store.head(saveAs)
    return result ? saved(result) : { kind: 'unclear', status: 200, reason: 'not-saved' }
  },
)
