// The official Android SDK against a running Countersign: it fetches credentials from GET /oss/credentials/{grant} and
// uploads with them. It runs on a plain JVM with Android's own classes.
import { mkdtemp } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { FILE_BYTES, PART_BYTES, PART_COUNT, useCountersign } from './countersign.ts'
import { ANDROID, CLIENTS } from './programs.ts'

const countersign = useCountersign()

const fetchWith = (grant: string) =>
  ANDROID({ action: 'fetch', url: `${countersign.url}/oss/credentials/${grant}` })

/** An upload that an app began with its grant, and what the SDK is told about it. */
async function begun(action: string) {
  const { grant } = await countersign.grant()
  const issued = await countersign.credentials({}, grant)
  const directory = await mkdtemp(join(countersign.directory, 'records-'))
  const url = `${countersign.url}/oss/credentials/${grant}`
  const { file } = countersign
  return { issued, job: { action, url, issued, file, partSizeBytes: PART_BYTES, directory } }
}

async function expectCompleted(uploadId: string) {
  expect(await countersign.complete(uploadId)).toMatchObject({
    status: 200,
    body: { state: 'completed', method: 'credentials', object: { sizeBytes: FILE_BYTES } },
  })
  await countersign.expectStored(uploadId)
}

describe('the SDK for Android, with its auth server', () => {
  test.each(['multipart-upload', 'resumable-upload'])('does its %s', async (action) => {
    const { issued, job } = await begun(action)

    expect((await ANDROID(job)).error).toBeUndefined()

    await expectCompleted(issued.uploadId)
  })

  test('resumes an upload that was cut, and sends no part twice', async () => {
    const { issued, job } = await begun('interrupted-upload')
    expect(await ANDROID(job)).toEqual({ cut: true })
    expect(await countersign.partsReceived(issued.key)).toBe(2)

    expect(await ANDROID({ ...job, action: 'resumable-upload' })).toEqual({})

    expect(await countersign.partsReceived(issued.key)).toBe(PART_COUNT)
    await expectCompleted(issued.uploadId)
  })

  test('reaches no other key', async () => {
    const { issued, job } = await begun('resumable-upload')

    const { error } = await ANDROID({ ...job, issued: { ...issued, key: `${issued.key}x` } })

    expect(error).toMatchObject({ code: 'AccessDenied' })
  })
})

describe('OSSAuthCredentialsProvider for Android', () => {
  test('takes credentials that upload', async () => {
    const { grant } = await countersign.grant()
    const begun = await countersign.credentials({}, grant)

    const taken = await fetchWith(grant)

    expect(taken).toEqual({
      accessKeyId: expect.stringMatching(/^STS\./),
      secretAccessKey: expect.any(String),
      sessionToken: expect.any(String),
      expiresAtSeconds: expect.any(Number),
    })
    expect(taken.expiresAtSeconds).toBeGreaterThan(Date.now() / 1000 + 900)
    const { error } = await CLIENTS['ali-oss for Node']!({
      action: 'upload',
      issued: { ...begun, ...taken },
      signature: 'v4',
      file: countersign.file,
      partSizeBytes: 131_072,
    })
    expect(error).toBeUndefined()
    expect((await countersign.complete(begun.uploadId)).body.state).toBe('completed')
  })

  test('tells code and message of each refusal', async () => {
    const { grant: unused } = await countersign.grant()
    const { id, grant: revoked } = await countersign.grant()
    await countersign.credentials({}, revoked)
    await countersign.call('DELETE', `/v1/grants/${id}`)
    const { grant: other } = await countersign.grant({ use: 'api' })

    const answers = await Promise.all([unused, revoked, other, 'nonsense'].map(fetchWith))

    const codes = ['upload-not-found', 'grant-revoked', 'forbidden', 'unauthenticated']
    answers.forEach(({ error }, index) => {
      expect(error?.message).toContain(`ErrorCode: ${codes[index]}| ErrorMessage: `)
    })
  })

  test('reads no refusal that is sent with another status than 200', async () => {
    const server = createServer((_, response) => {
      response.writeHead(403).end('{"StatusCode":500,"ErrorCode":"A","ErrorMessage":"not read"}')
    }).listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    const { port } = server.address() as AddressInfo

    const { error } = await ANDROID({ action: 'fetch', url: `http://127.0.0.1:${port}/` })

    server.close()
    expect(error?.message).toContain('403')
    expect(error?.message).not.toContain('not read')
  })
})
