// The credential provider of the official Android SDK reads what an authorization server answers. It runs on a plain JVM:
// this class of the SDK touches nothing of Android but org.json.
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { driver, SDKS } from './driver.ts'

const drive = driver(
  'java',
  '-XX:TieredStopAtLevel=1',
  '-cp',
  [join(SDKS, 'android'), join(SDKS, 'android/*')].join(':'),
  'Driver',
)

describe('OSSAuthCredentialsProvider for Android', () => {
  let server: Server

  async function serve(status: number, body: unknown): Promise<string> {
    server = createServer((_request, response) => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/credentials?ticket=1`
  }

  afterEach(() => {
    server.close()
  })

  test('takes temporary credentials', async () => {
    const url = await serve(200, {
      StatusCode: 200,
      AccessKeyId: 'STS.id',
      AccessKeySecret: 'secret',
      SecurityToken: 'CAIS+/token==',
      Expiration: '2015-11-03T09:52:59Z',
    })

    expect(await drive({ action: 'fetch', url })).toEqual({
      accessKeyId: 'STS.id',
      secretAccessKey: 'secret',
      sessionToken: 'CAIS+/token==',
      expiresAtSeconds: Date.parse('2015-11-03T09:52:59Z') / 1000,
    })
  })

  const refused = { StatusCode: 500, ErrorCode: 'AccessDenied', ErrorMessage: 'No such ticket.' }

  test('tells code and message of a refusal that is sent with status 200', async () => {
    const { error } = await drive({ action: 'fetch', url: await serve(200, refused) })

    expect(error?.message).toContain('ErrorCode: AccessDenied| ErrorMessage: No such ticket.')
  })

  test('does not read a refusal that is sent with another status', async () => {
    const { error } = await drive({ action: 'fetch', url: await serve(403, refused) })

    expect(error?.message).toContain('403')
    expect(error?.message).not.toContain('No such ticket.')
  })
})
