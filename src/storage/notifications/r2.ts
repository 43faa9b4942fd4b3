// Event notifications of R2. They come through a queue that only the platform fills, and never over HTTP.
import type { NotificationSource, ObjectHint } from '../../core/ports/notifications.ts'
import { textIn } from './read.ts'

const CREATED: readonly string[] = ['PutObject', 'CopyObject', 'CompleteMultipartUpload']

export const r2 = (): NotificationSource => ({
  name: 'r2',
  readMessage(body): ObjectHint | undefined {
    const [action, bucket, key] = [
      textIn(body, 'action'),
      textIn(body, 'bucket'),
      textIn(body, 'object', 'key'),
    ]
    if (!action || !bucket || !key || !CREATED.includes(action)) return undefined
    // The body has no id. The same object at the same time is the same event.
    const id = [textIn(body, 'object', 'eTag'), textIn(body, 'eventTime')].join(':').slice(0, 128)
    return { id, keys: [key], bucket, kind: 'completed' }
  },
})
