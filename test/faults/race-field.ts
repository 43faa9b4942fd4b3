// The setting of the race tests: one app with a webhook endpoint, short calls for client requests, and ports that gates can stop.
import { afterAll, beforeAll, expect } from 'vitest'
import { ADMIN_KEY, type Harness, putPart, someBytes, startHarness } from '../support/harness.ts'

export const KiB = 1024
export const BYTES = someBytes(250 * KiB)
export const OTHER_BYTES = someBytes(250 * KiB, 5)

export function useRaceField() {
  const field = {
    harness: undefined as unknown as Harness,
    app: undefined as unknown as { id: string; apiKey: string },

    store: () => field.harness.services.storeNamed('default'),
    uploads: () => field.harness.services.uploads,
    find: (id: string) => field.harness.services.uploads.find(field.app.id, id),

    policy: async (name: string, policy: Record<string, unknown>) => {
      const path = `/v1/apps/${field.app.id}/policies/${name}`
      expect(await field.harness.call('PUT', path, ADMIN_KEY, policy)).toMatchObject({
        status: 200,
      })
    },

    create: (body: Record<string, unknown> = {}, headers: Record<string, string> = {}) =>
      field.harness.call(
        'POST',
        '/v1/uploads',
        field.app.apiKey,
        {
          subject: 'ada',
          filename: 'a.bin',
          sizeBytes: BYTES.length,
          partSizeBytes: 100 * KiB,
          ...body,
        },
        headers,
      ),

    /** Creates an upload and stores all its parts. */
    sent: async (body: Record<string, unknown> = {}, bytes = BYTES) => {
      const { body: created } = await field.create(body)
      for (const part of created.parts) {
        expect((await putPart(part, bytes, created.plan.partSizeBytes)).status).toBe(200)
      }
      return created
    },

    complete: (created: Record<string, any>, body: unknown = {}) =>
      field.harness.call(
        'POST',
        `/v1/uploads/${created.id}/complete`,
        created.completionToken,
        body,
      ),
    abort: (created: Record<string, any>) =>
      field.harness.call('DELETE', `/v1/uploads/${created.id}`, field.app.apiKey),
    status: (created: Record<string, any>) =>
      field.harness.call('GET', `/v1/uploads/${created.id}`, field.app.apiKey),

    /** Completes directly at the store, whose callback reaches the app. */
    completeAtStore: (direct: Record<string, any>) =>
      fetch(direct.url, { method: direct.method, headers: direct.headers }),

    /** Makes the store forget the storage upload. */
    lose: async (created: Record<string, any>) => {
      const session = await field.find(created.id)
      const { key, storageUploadId } = session!
      await field.store().abort({ key, storageUploadId: storageUploadId! })
    },

    storageUploadId: async (created: Record<string, any>) =>
      (await field.find(created.id))?.storageUploadId,
  }

  beforeAll(async () => {
    field.harness = await startHarness()
    field.app = await field.harness.createApp({ readBack: true, direct: true })
    const endpoint = { url: 'http://127.0.0.1:9/webhook' }
    const answer = await field.harness.call(
      'POST',
      '/v1/webhook-endpoints',
      field.app.apiKey,
      endpoint,
    )
    expect(answer.status).toBe(201)
  })
  afterAll(() => field.harness.stop())

  return field
}
