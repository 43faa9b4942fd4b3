// An app whose policy processes uploads, a whole upload to it, and the results.
import { type Harness, someBytes } from '../harness.ts'
import { startReceiver } from './receiver.ts'

export const IMAGE = 'image/resize,w_100/format,webp'
export const THUMBNAIL = {
  name: 'thumbnail',
  when: { contentTypes: ['image/*'] },
  target: {
    type: 'oss-image',
    operation: IMAGE,
    keyTemplate: '{subject}/{uploadId}/thumbnail.webp',
  },
}
export const PREVIEW = {
  name: 'preview',
  when: { contentTypes: ['video/*'] },
  target: {
    type: 'oss-async',
    operation: 'video/convert,f_mp4,vcodec_h264',
    keyTemplate: '{subject}/{uploadId}/preview.mp4',
    maxSeconds: 3600,
  },
}
export const TRANSCODED = {
  name: 'hd',
  when: { contentTypes: ['video/*'] },
  target: {
    type: 'media',
    pipelineId: 'pipeline-1',
    templateId: 'S00000001-200010',
    keyTemplate: '{subject}/{uploadId}/hd ü.mp4',
    maxSeconds: 3600,
  },
}

export async function appWith(harness: Harness, processing: unknown[]) {
  const app = await harness.createApp({ processing })
  const receiver = await startReceiver()
  await harness.call('POST', '/v1/webhook-endpoints', app.apiKey, {
    url: receiver.url,
    events: ['processing.completed', 'processing.failed'],
  })

  return {
    ...app,
    receiver,

    /** Makes a completed upload. */
    async upload(contentType: string, filename = 'a file ü', bytes = someBytes(1000)) {
      const { status, body: created } = await harness.call('POST', '/v1/uploads', app.apiKey, {
        subject: 'ada',
        filename,
        contentType,
        sizeBytes: bytes.length,
      })
      if (status !== 201) throw new Error(JSON.stringify(created))
      const [part] = created.parts
      await fetch(part.url, { method: 'PUT', headers: part.headers, body: bytes })
      const done = await harness.call(
        'POST',
        `/v1/uploads/${created.id}/complete`,
        created.completionToken,
        {},
      )
      if (done.status !== 200) throw new Error(JSON.stringify(done.body))
      return { id: created.id as string, key: created.key as string, bytes, done: done.body }
    },

    /** The deliveries that the upload's policy calls for, in the order of its rules. */
    async owed(uploadId: string) {
      const path = `/v1/uploads/${uploadId}/deliveries`
      const { body } = await harness.call('GET', path, app.apiKey)
      return (body.deliveries as Array<Record<string, any>>)
        .filter(({ target }) => target !== 'webhook')
        .sort((a, b) => a.processing.rule - b.processing.rule)
    },

    session: (uploadId: string) => harness.services.uploads.find(app.id, uploadId),
  }
}

export type ProcessingApp = Awaited<ReturnType<typeof appWith>>
