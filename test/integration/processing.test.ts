// Processing after upload, end to end: rules of the policy, the store's call, and one event with the outcome.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Harness, startHarness } from '../support/harness.ts'
import { appWith, IMAGE, type ProcessingApp, THUMBNAIL } from '../support/processing/upload.ts'

let harness: Harness
let app: ProcessingApp

beforeAll(async () => {
  harness = await startHarness({ processing: true })
  app = await appWith(harness, [THUMBNAIL])
})
afterAll(async () => {
  await app.receiver.close()
  await harness.stop()
})

const store = () => harness.services.storeNamed('default')

describe('an image target', () => {
  it('saves the result under its key and tells it once, with one id and the same bytes', async () => {
    const upload = await app.upload('image/png')
    const saveAs = `${app.keyPrefix}/ada/${upload.id}/thumbnail.webp`
    app.receiver.answers.status = 500

    await harness.deliver()
    app.receiver.answers.status = 200
    harness.advance({ minutes: 1 })
    await harness.deliver()

    const result = await store().head(saveAs)
    const [first, second, ...more] = app.receiver.about(upload.id)
    expect(more).toEqual([])
    expect(second!.body).toBe(first!.body)
    expect(second!.headers['webhook-id']).toBe(first!.headers['webhook-id'])
    const [owed] = await app.owed(upload.id)
    expect(first!.event).toMatchObject({
      type: 'processing.completed',
      id: first!.headers['webhook-id'],
      data: {
        upload: { id: upload.id, state: 'completed', key: upload.key, revision: 3 },
        processing: {
          delivery: owed!.id,
          rule: 0,
          name: 'thumbnail',
          target: 'oss-image',
          key: saveAs,
          object: {
            key: saveAs,
            sizeBytes: IMAGE.length + 1 + upload.bytes.length,
            etag: result!.etag,
            contentType: 'image/webp',
          },
        },
      },
    })
    expect(owed).toMatchObject({
      target: 'oss-image',
      type: 'upload.completed',
      state: 'delivered',
      processing: { rule: 0, name: 'thumbnail', key: saveAs },
      attempts: [{ status: 200 }],
    })
    expect(await app.session(upload.id)).toMatchObject({ state: 'completed', revision: 3 })
  })
})
