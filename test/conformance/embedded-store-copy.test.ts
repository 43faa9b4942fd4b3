// UploadPartCopy on the embedded store, as the OSS reference describes it: ranges, conditions, permissions, independence.
import { createHash, randomBytes } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { percentEncodePath } from '../../src/bytes/encoding.ts'
import { oss4DateTime, signHeaders } from '../../src/signing/oss4.ts'
import { signAcs3 } from '../../src/storage/aliyun/acs3.ts'
import { BUCKET, CREDENTIALS, useEmbeddedStore } from '../support/embedded-store.ts'

const context = useEmbeddedStore()
const SIZE = 250_000
const SOURCE = 'dir/ä+b %2F?.bin'

const sourceHeader = (key = SOURCE, bucket = BUCKET) => `/${bucket}/${percentEncodePath(key)}`
const md5 = (bytes: Uint8Array) => createHash('md5').update(bytes).digest('hex').toUpperCase()

/** A source object and an open upload to copy into. */
async function arrange(bytes: Uint8Array = randomBytes(SIZE)) {
  const { headers } = await context.call('PUT', SOURCE, { body: bytes })
  const uploadId = await context.initiate('target')
  return { bytes, uploadId, etag: String(headers.etag) }
}

const copy = (uploadId: string, headers: Record<string, string> = {}, partNumber = 1) =>
  context.call('PUT', 'target', {
    query: { partNumber: String(partNumber), uploadId },
    headers: { 'x-oss-copy-source': sourceHeader(), ...headers },
  })

const partsOf = async (uploadId: string) => {
  const { text } = await context.call('GET', 'target', { query: { uploadId } })
  return [...text.matchAll(/<ETag>"(\w+)"<\/ETag>.*?<Size>(\d+)<\/Size>/g)].map(
    ([, etag, size]) => [etag, Number(size)],
  )
}

test('copies a range, names it in the answer, and completes like any other part', async () => {
  const { bytes, uploadId } = await arrange()
  const piece = bytes.subarray(1000, 120_000)

  const answer = await copy(uploadId, { 'x-oss-copy-source-range': 'bytes=1000-119999' })

  expect(answer.status).toBe(200)
  expect(answer.headers['content-range']).toBe(`bytes 1000-119999/${SIZE}`)
  expect(answer.text).toMatch(
    new RegExp(
      `<CopyPartResult><LastModified>\\S+T\\S+\\.000Z</LastModified><ETag>"${md5(piece)}"</ETag></CopyPartResult>$`,
    ),
  )
  await context.uploadPart('target', uploadId, 2, 'end')
  expect((await context.complete('target', uploadId)).status).toBe(200)
  const got = await context.call('GET', 'target')
  expect(got.bytes.equals(Buffer.concat([piece, Buffer.from('end')]))).toBe(true)
})

test('reads a plus sign in the source as a space, as the Go SDK writes it', async () => {
  const { uploadId } = await arrange()
  const source = sourceHeader().replaceAll('%20', '+')

  expect((await copy(uploadId, { 'x-oss-copy-source': source })).status).toBe(200)
})

test('copies an open range to the end', async () => {
  const { bytes, uploadId } = await arrange()

  const answer = await copy(uploadId, { 'x-oss-copy-source-range': 'bytes=9-' })

  expect(answer.headers['content-range']).toBe(`bytes 9-${SIZE - 1}/${SIZE}`)
  expect(await partsOf(uploadId)).toEqual([[md5(bytes.subarray(9)), SIZE - 9]])
})

test.each([
  ['no range', undefined],
  ['a range beyond the end', `bytes=0-${SIZE}`],
  ['a range turned round', 'bytes=9-3'],
  ['an open range beyond the end', `bytes=${SIZE}-`],
  ['a suffix', 'bytes=-9'],
  ['another unit', 'items=0-9'],
  ['two ranges', 'bytes=0-1,3-4'],
  ['rubbish', 'x'],
])('copies the whole object with %s, as OSS does', async (_, range) => {
  const { bytes, uploadId } = await arrange()

  const answer = await copy(uploadId, range ? { 'x-oss-copy-source-range': range } : {})

  expect(answer.status).toBe(200)
  expect(answer.headers['content-range']).toBeUndefined()
  expect(await partsOf(uploadId)).toEqual([[md5(bytes), SIZE]])
})

describe('conditions on the source', () => {
  const past = 'Mon, 01 Jan 2001 00:00:00 GMT'
  const future = 'Fri, 01 Jan 2100 00:00:00 GMT'

  test.each<[string, (etag: string) => string, number]>([
    ['if-match', (etag) => etag, 200],
    ['if-match', (etag) => etag.replaceAll('"', '').toLowerCase(), 200],
    ['if-match', () => `"${'0'.repeat(32)}"`, 412],
    ['if-none-match', () => `"${'0'.repeat(32)}"`, 200],
    ['if-none-match', (etag) => etag, 304],
    ['if-unmodified-since', () => future, 200],
    ['if-unmodified-since', () => past, 412],
    ['if-modified-since', () => past, 200],
    ['if-modified-since', () => future, 304],
  ])('%s (%#)', async (name, value, status) => {
    const { uploadId, etag } = await arrange()

    const answer = await copy(uploadId, { [`x-oss-copy-source-${name}`]: value(etag) })

    expect(answer.status).toBe(status)
    if (status === 412) expect(answer.code).toBe('PreconditionFailed')
    expect(await partsOf(uploadId)).toHaveLength(status === 200 ? 1 : 0)
  })
})

describe('refuses', () => {
  test.each<[string, Record<string, string>, number, string]>([
    [
      'a source that does not exist',
      { 'x-oss-copy-source': sourceHeader('none') },
      404,
      'NoSuchKey',
    ],
    ['another bucket', { 'x-oss-copy-source': sourceHeader(SOURCE, 'other') }, 404, 'NoSuchBucket'],
    ['a version', { 'x-oss-copy-source': `${sourceHeader()}?versionId=1` }, 400, 'NotImplemented'],
    ['a source without a key', { 'x-oss-copy-source': `/${BUCKET}/` }, 400, 'InvalidArgument'],
    [
      'a source that is not decodable',
      { 'x-oss-copy-source': `/${BUCKET}/%zz` },
      400,
      'InvalidArgument',
    ],
  ])('%s', async (_, headers, status, code) => {
    const { uploadId } = await arrange()

    expect(await copy(uploadId, headers)).toMatchObject({ status, code })
    expect(await partsOf(uploadId)).toEqual([])
  })

  test('an unknown upload, a part number out of range, and a body', async () => {
    const { uploadId } = await arrange()

    expect(await copy('0'.repeat(32))).toMatchObject({ status: 404, code: 'NoSuchUpload' })
    expect((await copy(uploadId, {}, 10_001)).code).toBe('InvalidArgument')
    const withBody = await context.call('PUT', 'target', {
      query: { partNumber: '1', uploadId },
      headers: { 'x-oss-copy-source': sourceHeader() },
      body: 'bytes',
    })
    expect(withBody.code).toBe('InvalidArgument')
  })

  test('a source that replaced the signed one', async () => {
    const { uploadId } = await arrange()
    const signed = context.sign('PUT', 'target', {
      query: { partNumber: '1', uploadId },
      headers: { 'x-oss-copy-source': sourceHeader('allowed') },
    })
    const headers = { ...signed.headers, 'x-oss-copy-source': sourceHeader() }

    expect((await context.send({ ...signed, headers })).code).toBe('SignatureDoesNotMatch')
  })
})

describe('a session policy', () => {
  /** Gets credentials from the store's own AssumeRole. */
  async function assume(actions: Record<string, string>) {
    const Statement = Object.entries(actions).map(([Action, key]) => ({
      Effect: 'Allow',
      Action: [Action],
      Resource: [`acs:oss:*:*:${BUCKET}/${key}`],
    }))
    const form = {
      RoleArn: 'acs:ram::1:role/embedded',
      RoleSessionName: 'test',
      Policy: JSON.stringify({ Version: '1', Statement }),
    }
    const { headers, body } = signAcs3(
      {
        method: 'POST',
        host: new URL(context.store.url).host,
        query: {},
        action: 'AssumeRole',
        version: '2015-04-01',
        date: `${context.now.toISOString().slice(0, 19)}Z`,
        nonce: String(Math.random()),
        contentType: 'application/x-www-form-urlencoded',
        body: new URLSearchParams(form).toString(),
      },
      CREDENTIALS,
    )
    const answer = await fetch(`${context.store.url}/`, { method: 'POST', headers, body })
    const { Credentials } = (await answer.json()) as { Credentials: Record<string, string> }
    return {
      accessKeyId: Credentials.AccessKeyId!,
      secretAccessKey: Credentials.AccessKeySecret!,
      sessionToken: Credentials.SecurityToken!,
    }
  }

  test.each<[string, Record<string, string>, number]>([
    [
      'that allows putting the target and reading the source',
      { 'oss:PutObject': 'target', 'oss:GetObject': 'dir/*' },
      200,
    ],
    ['that allows no reading', { 'oss:PutObject': '*' }, 403],
    [
      'that allows reading something else',
      { 'oss:PutObject': 'target', 'oss:GetObject': 'target' },
      403,
    ],
    ['that allows no putting', { 'oss:GetObject': '*' }, 403],
  ])('%s', async (_, actions, status) => {
    const { uploadId } = await arrange()
    const credentials = await assume(actions)
    const headers = signHeaders(
      {
        method: 'PUT',
        bucket: BUCKET,
        key: 'target',
        query: [
          ['partNumber', '1'],
          ['uploadId', uploadId],
        ],
        headers: { 'x-oss-copy-source': sourceHeader() },
      },
      credentials,
      { dateTime: oss4DateTime(context.now), region: 'local' },
    )
    const path = `/${BUCKET}/target?partNumber=1&uploadId=${uploadId}`

    const answer = await context.send({ method: 'PUT', path, headers })

    expect(answer.status).toBe(status)
    if (status === 403) expect(answer.code).toBe('AccessDenied')
    expect(await partsOf(uploadId)).toHaveLength(status === 200 ? 1 : 0)
  })
})

test('source and copy are independent, and a replaced copy leaves no bytes', async () => {
  const { bytes, uploadId } = await arrange()
  await copy(uploadId)
  await copy(uploadId)
  expect(await readdir(join(context.directory, 'data'))).toHaveLength(2)

  await context.call('DELETE', SOURCE)
  await context.restart()
  await context.complete('target', uploadId)

  expect((await context.call('GET', 'target')).bytes.equals(bytes)).toBe(true)
  expect(await readdir(join(context.directory, 'data'))).toHaveLength(1)
})
