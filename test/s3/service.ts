// The service on Ceph: `dist/node.js` as an operator runs it with STORE_DIALECT=s3, an app, and the official client as the
// independent reader of what it stores.
import { afterAll, beforeAll, expect, inject } from 'vitest'
import { freshDatabase } from '../support/postgres.ts'
import { type Service, startService } from '../support/service.ts'
import { s3Client } from './peers.ts'

type Json = Record<string, any>

const ADMIN_KEY = 'an-admin-key-for-the-tests'

/** An attempt at a part URL, and what the store says. */
export interface PartAnswer {
  status: number
  code?: string
}

export function useServiceOnCeph() {
  let service: Service
  let database: Awaited<ReturnType<typeof freshDatabase>>
  let apiKey: string
  let reader: ReturnType<typeof s3Client>
  const { bucket } = inject('ceph')

  const context = {
    call: async (method: string, path: string, body?: Json, credential = apiKey) => {
      const answer = await fetch(`${service.url}${path}`, {
        method,
        headers: { authorization: `Bearer ${credential}`, 'content-type': 'application/json' },
        body: body && JSON.stringify(body),
      })
      return { status: answer.status, body: (await answer.json()) as Json }
    },

    create: async (more: Json): Promise<Json> => {
      const body = { subject: 'ada', filename: 'a.bin', partSizeBytes: 5 * 1024 * 1024, ...more }
      const answer = await context.call('POST', '/v1/uploads', body)
      expect(answer.status, JSON.stringify(answer.body) + service.output()).toBe(201)
      return answer.body
    },

    /** Signs parts beyond the first window. */
    sign: async (upload: Json, from: number, count: number): Promise<Json[]> => {
      const path = `/v1/uploads/${upload.id}/parts`
      const { body } = await context.call('POST', path, { from, count }, upload.uploadToken)
      return body.parts as Json[]
    },

    complete: (upload: Json) =>
      context.call('POST', `/v1/uploads/${upload.id}/complete`, {}, upload.completionToken),

    put: async (part: Json, bytes: Uint8Array): Promise<PartAnswer> => {
      const init = { method: 'PUT', headers: part.headers, body: bytes as Uint8Array<ArrayBuffer> }
      const answer = await fetch(part.url, init)
      const [, code] = /<Code>(\w+)<\/Code>/.exec(await answer.text()) ?? []
      return { status: answer.status, code }
    },

    /** The bytes of one part of the file. */
    slice: (file: Uint8Array, upload: Json, { partNumber, sizeBytes }: Json): Uint8Array => {
      const first = (partNumber - 1) * upload.plan.partSizeBytes
      return file.subarray(first, first + sizeBytes)
    },

    /** Completes, and expects the official client to read exactly these bytes under the key. */
    expectStored: async (upload: Json, file: Uint8Array): Promise<void> => {
      const { status, body } = await context.complete(upload)
      expect([status, body.state], JSON.stringify(body)).toEqual([200, 'completed'])
      const found = await reader.send('GetObject', { Bucket: bucket, Key: upload.key })
      const read = Buffer.from(await found.Body.transformToByteArray())
      expect(read.equals(file)).toBe(true)
      expect(found.Metadata).toEqual({ 'countersign-upload': upload.id })
    },

    /** The storage uploads that Ceph has in progress under the key. */
    storageUploads: async (key: string): Promise<Json[]> =>
      (await reader.send('ListMultipartUploads', { Bucket: bucket, Prefix: key })).Uploads ?? [],

    /** The official client, with the owner's key. */
    reader: () => reader,
    bucket,
    output: () => service.output(),
  }

  beforeAll(async () => {
    const server = inject('ceph')
    reader = s3Client(server)
    database = await freshDatabase()
    service = await startService({
      environment: {
        DATABASE_URL: database.serviceUrl,
        ADMIN_KEY,
        SECRET_KEYS: `k1:${Buffer.alloc(32, 7).toString('base64url')}`,
        STORE_DIALECT: 's3',
        STORE_PRODUCT: 'ceph',
        STORE_ENDPOINT: server.endpoint,
        STORE_BUCKET: server.bucket,
        STORE_ACCESS_KEY_ID: server.accessKeyId,
        STORE_SECRET_ACCESS_KEY: server.secretAccessKey,
      },
    })
    const policy = { keyTemplate: '{uploadId}/{filename}', singleMaxBytes: 0 }
    const created = await context.call('POST', '/v1/apps', { name: 's3', policy }, ADMIN_KEY)
    expect(created.status, JSON.stringify(created.body)).toBe(201)
    apiKey = created.body.apiKey
  })

  afterAll(async () => {
    reader?.client.destroy()
    await service?.stop()
    await database?.drop()
  })

  return context
}
