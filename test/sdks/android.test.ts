// The credential provider of the official Android SDK against GET /oss/credentials/{grant} of a running Countersign. It
// runs on a plain JVM: this class of the SDK touches nothing of Android but org.json.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, test } from 'vitest'
import { useCountersign } from './countersign.ts'
import { ANDROID, CLIENTS } from './programs.ts'

const countersign = useCountersign()

const fetchWith = (grant: string) =>
  ANDROID({ action: 'fetch', url: `${countersign.url}/oss/credentials/${grant}` })

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
