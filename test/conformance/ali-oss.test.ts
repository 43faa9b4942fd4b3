// The official npm client, unmodified, against the embedded store, as a user's own code calls it.
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
// @ts-expect-error ali-oss has no types; `Client` below declares what these tests use.
import OSS from 'ali-oss'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type EmbeddedStore, startEmbeddedStore } from '../../src/embedded/store/index.ts'

interface Checkpoint {
  uploadId: string
  name: string
  doneParts: Array<{ number: number; etag: string }>
}

interface MultipartOptions {
  partSize?: number
  parallel?: number
  checkpoint?: Checkpoint
  meta?: Record<string, string>
  mime?: string
  headers?: Record<string, string>
  progress?: (share: number, checkpoint: Checkpoint | null) => Promise<void> | void
}

interface Client {
  put(
    name: string,
    content: Buffer,
    options?: { mime?: string; meta?: Record<string, string>; headers?: Record<string, string> },
  ): Promise<{ res: { status: number; headers: Record<string, string> } }>
  get(name: string): Promise<{ content: Buffer; res: { headers: Record<string, string> } }>
  head(
    name: string,
  ): Promise<{ meta: Record<string, string> | null; res: { headers: Record<string, string> } }>
  delete(name: string): Promise<{ res: { status: number } }>
  initMultipartUpload(name: string): Promise<{ uploadId: string; name: string; bucket: string }>
  multipartUpload(
    name: string,
    content: Buffer,
    options?: MultipartOptions,
  ): Promise<{ etag: string; name: string; bucket: string }>
  abortMultipartUpload(name: string, uploadId: string): Promise<{ res: { status: number } }>
  listUploads(query: Record<string, unknown>): Promise<{
    uploads: Array<{ name: string; uploadId: string; initiated: string }>
    isTruncated: boolean
    nextKeyMarker: string
    nextUploadIdMarker: string
  }>
  listParts(
    name: string,
    uploadId: string,
    query?: Record<string, unknown>,
  ): Promise<{
    parts: Array<{ PartNumber: string; ETag: string; Size: string }>
    isTruncated: string
    nextPartNumberMarker: string
  }>
  signatureUrlV4(
    method: string,
    expiresSeconds: number,
    request: { headers?: Record<string, string>; queries?: Record<string, unknown> },
    name: string,
    additionalHeaders?: string[],
  ): Promise<string>
  uploadPartCopy(
    name: string,
    uploadId: string,
    partNumber: number,
    range: string,
    source: { sourceKey: string; sourceBucketName: string },
    options?: { headers?: Record<string, string> },
  ): Promise<{ etag: string; res: { headers: Record<string, string> } }>
  multipartUploadCopy(
    name: string,
    source: { sourceKey: string; sourceBucketName: string },
    options?: { partSize?: number },
  ): Promise<{ etag: string }>
  cancel(): void
  putBucketCORS(bucket: string, rules: unknown[]): Promise<{ res: { status: number } }>
  getBucketCORS(bucket: string): Promise<{ rules: unknown[] }>
  putBucketLifecycle(bucket: string, rules: unknown[]): Promise<{ res: { status: number } }>
  getBucketLifecycle(bucket: string): Promise<{ rules: unknown[] }>
  putBucketACL(bucket: string, acl: string): Promise<{ bucket: string }>
  getBucketACL(bucket: string): Promise<{ acl: string }>
  getBucketVersioning(bucket: string): Promise<{ versionStatus?: string }>
}

const MiB = 1024 * 1024
let directory: string
let store: EmbeddedStore

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'countersign-ali-oss-'))
  store = await startEmbeddedStore({
    directory,
    host: '127.0.0.1',
    port: 0,
    bucket: 'uploads-bucket',
    region: 'local',
    accessKeyId: 'test-key',
    secretAccessKey: 'test-secret',
    clock: () => new Date(),
    fetch,
    log: () => {},
  })
})

afterEach(async () => {
  await store.close()
  await rm(directory, { recursive: true })
})

const aClient = (sldEnable: boolean, options: Record<string, unknown> = {}): Client =>
  new OSS({
    region: 'oss-local',
    endpoint: store.url,
    bucket: 'uploads-bucket',
    accessKeyId: 'test-key',
    accessKeySecret: 'test-secret',
    authorizationV4: true,
    sldEnable,
    ...options,
  })

describe.each([
  { style: 'path style (sldEnable)', sldEnable: true },
  { style: 'virtual-hosted style', sldEnable: false },
])('ali-oss in $style', ({ sldEnable }) => {
  test.each(['plain.txt', "a b/ü+&?#%2F!'()*.txt", 'uploads-bucket/inner', '文件/😀.bin', 'a//b'])(
    'puts, reads, heads and deletes %s',
    async (name) => {
      const client = aClient(sldEnable)
      const content = randomBytes(70_000)

      const put = await client.put(name, content, { mime: 'text/plain', meta: { who: 'me' } })
      const got = await client.get(name)
      const head = await client.head(name)

      expect(put.res.status).toBe(200)
      expect(got.content.equals(content)).toBe(true)
      expect(head.meta).toEqual({ who: 'me' })
      expect(head.res.headers['content-type']).toBe('text/plain')
      expect((await client.delete(name)).res.status).toBe(204)
      await expect(client.head(name)).rejects.toMatchObject({ status: 404, code: 'NoSuchKey' })
    },
  )

  test('uploads in parts', async () => {
    const client = aClient(sldEnable)
    const content = randomBytes(5 * MiB + 17)

    const done = await client.multipartUpload('big file.bin', content, {
      partSize: MiB,
      meta: { session: 'upl_1' },
      mime: 'video/mp4',
    })

    const got = await client.get('big file.bin')
    expect(done.etag).toMatch(/^"[0-9A-F]{32}-6"$/)
    expect(got.content.equals(content)).toBe(true)
    expect(got.res.headers).toMatchObject({
      'content-type': 'video/mp4',
      'x-oss-meta-session': 'upl_1',
      'x-oss-object-type': 'Multipart',
    })
  })

  test('copies an object part by part', async () => {
    const client = aClient(sldEnable)
    const content = randomBytes(300_000)
    const source = { sourceKey: "from/a b+ü'.bin", sourceBucketName: 'uploads-bucket' }
    await client.put(source.sourceKey, content)

    await client.multipartUploadCopy('copied.bin', source, { partSize: 120_000 })

    expect((await client.get('copied.bin')).content.equals(content)).toBe(true)
  })

  test('copies one part, under a condition', async () => {
    const client = aClient(sldEnable)
    const source = { sourceKey: 'source', sourceBucketName: 'uploads-bucket' }
    await client.put('source', randomBytes(1000))
    const { uploadId } = await client.initMultipartUpload('target')

    const { etag, res } = await client.uploadPartCopy('target', uploadId, 3, '10-19', source)

    expect(res.headers['content-range']).toBe('bytes 10-19/1000')
    const { parts } = await client.listParts('target', uploadId)
    expect([parts].flat()).toMatchObject([{ PartNumber: '3', ETag: etag, Size: '10' }])
    const headers = { 'x-oss-copy-source-if-match': '"0"' }
    await expect(
      client.uploadPartCopy('target', uploadId, 4, '0-9', source, { headers }),
    ).rejects.toMatchObject({ status: 412, code: 'PreconditionFailed' })
  })

  test('resumes from a checkpoint after an interruption', async () => {
    const client = aClient(sldEnable)
    const content = randomBytes(6 * MiB)
    let saved: Checkpoint | undefined
    const interrupted = client.multipartUpload('resumed.bin', content, {
      partSize: MiB,
      parallel: 1,
      progress: (_, checkpoint) => {
        if (!checkpoint) return
        saved = structuredClone(checkpoint)
        if (checkpoint.doneParts.length === 3) client.cancel()
      },
    })
    await expect(interrupted).rejects.toMatchObject({ name: 'cancel' })
    const before = await client.listParts('resumed.bin', saved!.uploadId)
    expect(before.parts.map((part) => Number(part.PartNumber))).toEqual([1, 2, 3])

    const second = aClient(sldEnable)
    const checkpoint = { ...saved!, file: content }
    const sent: number[] = []
    await second.multipartUpload('resumed.bin', content, {
      checkpoint,
      progress: (_, current) => void sent.push(current?.doneParts.length ?? 0),
    })

    expect(sent.length).toBe(4)
    expect((await second.get('resumed.bin')).content.equals(content)).toBe(true)
    expect((await second.listUploads({})).uploads).toEqual([])
  })

  test('lists uploads and parts in pages, and aborts', async () => {
    const client = aClient(sldEnable)
    const [first, second] = [
      await client.initMultipartUpload('list/a'),
      await client.initMultipartUpload('list/b'),
    ]

    const page = await client.listUploads({ prefix: 'list/', 'max-uploads': 1 })
    const rest = await client.listUploads({
      prefix: 'list/',
      'key-marker': page.nextKeyMarker,
      'upload-id-marker': page.nextUploadIdMarker,
    })

    expect(page).toMatchObject({ isTruncated: true, uploads: [{ name: 'list/a' }] })
    expect(rest.uploads.map(({ uploadId }) => uploadId)).toEqual([second.uploadId])
    const aborted = await client.abortMultipartUpload('list/a', first.uploadId)
    expect(aborted.res.status).toBe(204)
    await expect(client.listParts('list/a', first.uploadId)).rejects.toMatchObject({
      status: 404,
      code: 'NoSuchUpload',
    })
  })

  test('reports a wrong secret', async () => {
    const client = aClient(sldEnable, { accessKeySecret: 'wrong' })

    await expect(client.put('x', Buffer.from('x'))).rejects.toMatchObject({
      status: 403,
      code: 'SignatureDoesNotMatch',
    })
  })

  test('sets CORS, lifecycle and ACL of the bucket, and reads them back', async () => {
    const client = aClient(sldEnable)
    const name = 'uploads-bucket'
    await expect(client.getBucketCORS(name)).rejects.toMatchObject({
      code: 'NoSuchCORSConfiguration',
    })
    await expect(client.getBucketLifecycle(name)).rejects.toMatchObject({ code: 'NoSuchLifecycle' })

    const rule = {
      allowedOrigin: 'https://app.example.com',
      allowedMethod: ['PUT', 'GET'],
      allowedHeader: '*',
      exposeHeader: ['ETag', 'x-oss-request-id'],
      maxAgeSeconds: '600',
    }
    await client.putBucketCORS(name, [rule])
    const aborting = {
      id: 'parts',
      prefix: 'uploads/',
      status: 'Enabled',
      abortMultipartUpload: { days: 8 },
    }
    await client.putBucketLifecycle(name, [structuredClone(aborting)])
    await client.putBucketACL(name, 'public-read')

    expect((await client.getBucketCORS(name)).rules).toEqual([rule])
    expect((await client.getBucketLifecycle(name)).rules).toEqual([
      { ...aborting, abortMultipartUpload: { days: '8' } },
    ])
    expect((await client.getBucketACL(name)).acl).toBe('public-read')
    expect((await client.getBucketVersioning(name)).versionStatus).toBeUndefined()
  })

  test('signs URLs that work', async () => {
    const client = aClient(sldEnable)
    await client.put('signed one.txt', Buffer.from('hello'))

    const signed = new URL(await client.signatureUrlV4('GET', 60, {}, 'signed one.txt'))

    // With an IP endpoint the client leaves the bucket out of the URL in virtual-hosted style.
    const path = sldEnable ? signed.pathname : `/uploads-bucket${signed.pathname}`
    const answer = await fetch(`${store.url}${path}${signed.search}`)
    expect(await answer.text()).toBe('hello')
  })
})

describe('ali-oss in its default settings (signature V1)', () => {
  const legacy = (options: Record<string, unknown> = {}) =>
    aClient(true, { authorizationV4: false, ...options })

  test.each(['plain.txt', "a b/ü+&?#%2F!'()*.txt", '文件/😀.bin'])(
    'puts, reads, heads and deletes %s',
    async (name) => {
      const client = legacy()
      const content = randomBytes(70_000)

      await client.put(name, content, { mime: 'text/plain', meta: { who: 'me' } })
      const got = await client.get(name)

      expect(got.content.equals(content)).toBe(true)
      expect((await client.head(name)).meta).toEqual({ who: 'me' })
      expect((await client.delete(name)).res.status).toBe(204)
    },
  )

  test('reports a wrong secret and a wrong key', async () => {
    await expect(legacy({ accessKeySecret: 'wrong' }).get('x')).rejects.toMatchObject({
      status: 403,
      code: 'SignatureDoesNotMatch',
    })
    await expect(legacy({ accessKeyId: 'wrong' }).get('x')).rejects.toMatchObject({
      status: 403,
      code: 'InvalidAccessKeyId',
    })
  })
})
