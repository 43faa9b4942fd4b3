// Uploads through the service on Ceph: parts by URLs that we signed, read back by the official client.
import { describe, expect, test } from 'vitest'
import { someBytes } from '../support/harness.ts'
import { useServiceOnCeph } from './service.ts'

const MiB = 1024 * 1024
const PART_BYTES = 5 * MiB

const service = useServiceOnCeph()

/** Sends every part that is not in `except`. */
async function send(upload: Record<string, any>, file: Uint8Array, except: number[] = []) {
  for (const part of upload.parts) {
    if (except.includes(part.partNumber)) continue
    expect(await service.put(part, service.slice(file, upload, part))).toEqual({ status: 200 })
  }
}

describe.each([1, 2])('an upload of %i parts', (count) => {
  test.each(['plain.bin', "a+b 100% !'()*.bin", 'Grüße 文件 😀.bin'])(
    'becomes the object %s',
    async (filename) => {
      const file = someBytes((count - 1) * PART_BYTES + 1000, count)
      const upload = await service.create({ filename, sizeBytes: file.length })
      expect(upload.parts).toHaveLength(count)

      await send(upload, file)

      await service.expectStored(upload, file)
    },
  )
})

test('a part takes exactly its bytes, says the store', async () => {
  const file = someBytes(1000)
  const upload = await service.create({ sizeBytes: file.length })
  const [part] = upload.parts

  for (const size of [999, 1001]) {
    expect(await service.put(part, someBytes(size))).toMatchObject({ status: 403 })
  }

  await send(upload, file)
  await service.expectStored(upload, file)
})

test('a tampered URL is refused by the store', async () => {
  const file = someBytes(1000)
  const upload = await service.create({ sizeBytes: file.length })
  const [part] = upload.parts
  const tamper = (from: string | RegExp, to: string) => {
    const url = part.url.replace(from, to)
    expect(url).not.toBe(part.url)
    return service.put({ ...part, url }, file)
  }

  const answers = [
    await tamper('partNumber=1', 'partNumber=2'),
    await tamper(/X-Amz-Expires=\d+/, 'X-Amz-Expires=86400'),
    await tamper('/a.bin?', '/b.bin?'),
  ]

  expect(answers.map(({ status }) => status)).toEqual([403, 403, 403])
  await send(upload, file)
  await service.expectStored(upload, file)
})

test('an upload resumes with the parts that are missing', async () => {
  const file = someBytes(PART_BYTES + 1000, 3)
  const begun = { sizeBytes: file.length, fingerprint: 'resume on Ceph' }
  const first = await service.create(begun)
  await send(first, file, [2])

  const plan = { partSizeBytes: PART_BYTES }
  const body = { subject: 'ada', filename: 'a.bin', ...plan, ...begun, resume: true }
  const again = await service.call('POST', '/v1/uploads', body)

  expect(again).toMatchObject({ status: 200, body: { id: first.id, missing: [[2, 2]] } })
  await send(again.body, file, [1])
  await service.expectStored(first, file)
})

test('an upload that the store lost is healed, and old URLs are refused', async () => {
  const file = someBytes(1000, 4)
  const upload = await service.create({ sizeBytes: file.length })
  const [lost] = await service.storageUploads(upload.key)
  const where = { Bucket: service.bucket, Key: upload.key, UploadId: lost!.UploadId }
  await service.reader().send('AbortMultipartUpload', where)

  const { body } = await service.call('GET', `/v1/uploads/${upload.id}`)

  expect(body).toMatchObject({ state: 'open', healed: true })
  expect((await service.put(upload.parts[0], file)).status).toBe(404)
  const parts = await service.sign(body, 1, 1)
  await send({ ...body, parts }, file)
  await service.expectStored({ ...upload, ...body }, file)
})

test('an abort takes the parts away, and every part URL', async () => {
  const file = someBytes(1000, 5)
  const upload = await service.create({ sizeBytes: file.length })
  await send(upload, file)
  expect(await service.storageUploads(upload.key)).toHaveLength(1)

  const aborted = await service.call('DELETE', `/v1/uploads/${upload.id}`)

  expect(aborted.body).toMatchObject({ state: 'aborted' })
  expect(await service.storageUploads(upload.key)).toEqual([])
  expect((await service.put(upload.parts[0], file)).status).toBe(404)
})
