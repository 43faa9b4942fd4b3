// What every official OSS client shows against a running Countersign: uploads by URLs that we signed and with credentials
// that we issued, resumed and aborted; and part URLs of its own that equal ours.
import { describe, expect, test } from 'vitest'
import { ossSigner } from '../../src/storage/oss/sign.ts'
import { type Account, FILE_BYTES, PART_BYTES, PART_COUNT, useCountersign } from './countersign.ts'
import { CLIENTS, type Job } from './programs.ts'

const countersign = useCountersign()

type Part = { partNumber: number }

const putJob = (part: Part): Job => ({
  action: 'put-url',
  part,
  file: countersign.file,
  partSizeBytes: PART_BYTES,
})

const job = (action: string, issued: Account, signature: 'v1' | 'v4'): Job => ({
  action,
  issued,
  signature,
  file: countersign.file,
  partSizeBytes: PART_BYTES,
})

describe.each(Object.entries(CLIENTS))('%s', (_name, drive) => {
  describe('with URLs that we signed', () => {
    test('uploads every part, and the object is the file', async () => {
      const upload = await countersign.create()
      expect(upload.parts).toHaveLength(PART_COUNT)

      const answers = await Promise.all(upload.parts.map((part: Part) => drive(putJob(part))))

      expect(answers).toEqual(Array(PART_COUNT).fill({}))
      expect(await countersign.complete(upload.id)).toMatchObject({
        status: 200,
        body: { state: 'completed', object: { sizeBytes: FILE_BYTES } },
      })
      await countersign.expectStored(upload.id)
    })

    test('resumes with what the status says is missing, and sends no part twice', async () => {
      const fingerprint = `resume of ${_name}`
      const first = await countersign.create({ fingerprint })
      for (const index of [0, 2]) await drive(putJob(first.parts[index]))

      const again = await countersign.create({ fingerprint, resume: true })

      expect(again).toMatchObject({
        status: 200,
        id: first.id,
        missing: [
          [2, 2],
          [4, 5],
        ],
      })
      await Promise.all(again.parts.map((part: Part) => drive(putJob(part))))
      expect((await countersign.complete(first.id)).body.state).toBe('completed')
      expect(await countersign.partsReceived(first.key)).toBe(PART_COUNT)
      await countersign.expectStored(first.id)
    })

    test('is told that an upload which we aborted is gone', async () => {
      const upload = await countersign.create()
      expect(await drive(putJob(upload.parts[0]))).toEqual({})

      const aborted = await countersign.call('DELETE', `/v1/uploads/${upload.id}`)

      expect(aborted.body).toMatchObject({ state: 'aborted' })
      const late = await drive(putJob(upload.parts[1]))
      expect(`${late.error?.code} ${late.error?.message}`).toContain('NoSuchUpload')
      expect(await countersign.partsReceived(upload.key)).toBe(1)
    })
  })

  describe.each(['v4', 'v1'] as const)(
    'with credentials that we issued, signature %s',
    (version) => {
      test('uploads in parts, and completing finds the object', async () => {
        const issued = await countersign.credentials()

        const answer = await drive(job('upload', issued, version))

        expect(answer.error).toBeUndefined()
        const done = await countersign.complete(issued.uploadId)
        expect(done).toMatchObject({
          status: 200,
          body: { state: 'completed', method: 'credentials', object: { sizeBytes: FILE_BYTES } },
        })
        const { etag } = done.body.object
        expect(answer.etag ?? etag).toBe(etag)
        await countersign.expectStored(issued.uploadId)
      })

      test('resumes an interrupted upload with fresh credentials, and sends no part twice', async () => {
        const issued = await countersign.credentials()
        const again = await countersign.credentialsAgain(issued.uploadId)
        expect(again.accessKeyId).not.toBe(issued.accessKeyId)

        const answer = await drive({ ...job('resume', issued, version), again })

        expect(answer).toEqual({ resumed: true })
        expect(await countersign.partsReceived(issued.key)).toBe(PART_COUNT)
        expect((await countersign.complete(issued.uploadId)).body.state).toBe('completed')
        await countersign.expectStored(issued.uploadId)
      })

      test('aborts its upload, and the session has nothing to complete', async () => {
        const issued = await countersign.credentials()
        const { uploadId } = await drive(job('begin', issued, version))

        expect(await drive({ ...job('abort', issued, version), uploadId })).toEqual({})

        const { error } = await drive({ ...job('list', issued, version), uploadId })
        expect(error).toMatchObject({ code: 'NoSuchUpload' })
        expect(await countersign.complete(issued.uploadId)).toMatchObject({
          status: 422,
          body: { code: 'parts-mismatch' },
        })
        expect((await countersign.status(issued.uploadId)).state).toBe('open')
      })

      test('finds its upload gone after we aborted the session', async () => {
        const issued = await countersign.credentials()
        const { uploadId } = await drive(job('begin', issued, version))
        const begun = { ...job('list', issued, version), uploadId }
        expect(await drive(begun)).toEqual({ partCount: 1 })

        const aborted = await countersign.call('DELETE', `/v1/uploads/${issued.uploadId}`)

        expect(aborted.body).toMatchObject({ state: 'aborted' })
        expect((await drive(begun)).error).toMatchObject({ code: 'NoSuchUpload' })
      })

      test('reaches no other key', async () => {
        const issued = await countersign.credentials()

        const { error } = await drive(job('upload', { ...issued, key: `${issued.key}x` }, version))

        expect(error).toMatchObject({ code: 'AccessDenied' })
      })
    },
  )

  test('is told about a wrong secret', async () => {
    const issued = await countersign.credentials()
    const wrong = { ...issued, secretAccessKey: 'wrong' }

    const { error } = await drive(job('upload', wrong, 'v4'))

    expect(error).toMatchObject({ code: 'SignatureDoesNotMatch' })
  })

  test.each([
    ['a long-lived key', null],
    ['a session token', 'CAIS+/a token=='],
  ])('signs a part URL exactly as we do with %s', async (_title, sessionToken) => {
    const key = "clips/a b ü文+&'(1)!*~.bin"
    const account = { ...countersign.owner, key, sessionToken }
    const target = { uploadId: '0004B9894A22E5B1888A1E29F8236E2D', partNumber: 7 }

    const { url = '' } = await drive({
      ...job('presign-part', account, 'v4'),
      ...target,
      expiresSeconds: 3600,
    })

    const theirs = readUrl(url)
    const seconds = Number(theirs.query['x-oss-expires'])
    // A client may take a moment between the choice of the end and that of the beginning.
    expect(seconds).toBeGreaterThanOrEqual(3598)
    expect(seconds).toBeLessThanOrEqual(3600)
    const address = { url: account.endpoint, addressing: 'path' as const }
    const signer = ossSigner({
      bucket: account.bucket,
      region: account.region,
      credentials: { ...account, sessionToken: sessionToken ?? undefined },
      endpoint: address,
      publicEndpoint: address,
    })
    const ours = signer.byQuery(
      {
        method: 'PUT',
        key,
        query: [
          ['partNumber', String(target.partNumber)],
          ['uploadId', target.uploadId],
        ],
      },
      { from: readDate(theirs.query['x-oss-date']), seconds },
    )
    expect(theirs).toEqual(readUrl(ours.url))
  })
})

function readUrl(url: string) {
  const { origin, pathname, searchParams } = new URL(url)
  return { origin, path: decodeURIComponent(pathname), query: Object.fromEntries(searchParams) }
}

/** From `20231216T162057Z`. */
function readDate(text = ''): Date {
  const iso = text.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z')
  return new Date(iso)
}
