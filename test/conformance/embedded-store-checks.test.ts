// What the embedded store judges before what, and which headers it refuses, as OSS documents it.
import { describe, expect, test } from 'vitest'
import { BUCKET, useEmbeddedStore } from '../support/embedded-store.ts'

const context = useEmbeddedStore()

describe('an unknown bucket is 404 NoSuchBucket', () => {
  const missing = { status: 404, code: 'NoSuchBucket' }

  test.each<[string, Record<string, string>]>([
    ['without a signature', {}],
    [
      'for an unknown key id, V1',
      { authorization: 'OSS nobody:c2lnbmF0dXJl', date: new Date().toUTCString() },
    ],
    [
      'for an unknown key id, V4',
      {
        authorization:
          'OSS4-HMAC-SHA256 Credential=nobody/20260101/local/oss/aliyun_v4_request,Signature=00',
        'x-oss-date': '20260101T000000Z',
      },
    ],
  ])('%s', async (_, headers) => {
    for (const path of ['/other-bucket/a', '/other-bucket/', '/other-bucket/a?uploads']) {
      expect(await context.send({ method: 'GET', path, headers }), path).toMatchObject(missing)
    }
  })

  test('for a preflight', async () => {
    const headers = { origin: 'https://a.test', 'access-control-request-method': 'PUT' }
    const ask = (path: string) => context.send({ method: 'OPTIONS', path, headers })

    expect(await ask('/other-bucket/a')).toMatchObject(missing)
    expect((await ask(`/${BUCKET}/a`)).status).toBe(200)
  })

  test('and the list of all buckets is refused by name', async () => {
    const answer = await context.send({ method: 'GET', path: '/' })
    expect(answer).toMatchObject({ status: 400, code: 'NotImplemented' })
    expect(answer.text).toContain('ListBuckets')
  })
})

test.each(['If-Modified-Since', 'If-Unmodified-Since', 'If-Match', 'If-None-Match'])(
  'PutObject with %s is refused, and stores nothing',
  async (name) => {
    const headers = { [name.toLowerCase()]: 'Thu, 09 Feb 2023 06:41:44 GMT' }

    const answer = await context.call('PUT', 'a', { body: 'x', headers })

    expect(answer).toMatchObject({ status: 400, code: 'NotImplemented' })
    expect(answer.headers['x-oss-ec']).toBe('0017-00000245')
    expect(answer.text).toContain(`<Header>${name}</Header>`)
    expect((await context.call('HEAD', 'a')).status).toBe(404)
  },
)

describe('x-oss-tagging', () => {
  const put = (tags: string) =>
    context.call('PUT', 'a', { body: 'x', headers: { 'x-oss-tagging': tags } })

  test.each(['=value', 'a=1&=2', 'a=b=c', '&'])('%s is refused', async (tags) => {
    const answer = await put(tags)

    expect(answer).toMatchObject({ status: 400, code: 'InvalidTag' })
    expect(answer.headers['x-oss-ec']).toBe('0010-00000219')
    const initiate = { query: { uploads: '' }, headers: { 'x-oss-tagging': tags } }
    expect((await context.call('POST', 'a', initiate)).code).toBe('InvalidTag')
  })

  test.each(['a', 'a=', 'a=1&b=2', 'a%3D=1'])('%s is taken', async (tags) => {
    expect((await put(tags)).status).toBe(200)
  })
})

test('a bare parameter that no listing knows is never taken for a listing', async () => {
  const list = (query: Record<string, string>) => context.call('GET', '', { query })

  expect((await list({ newSetting: '' })).code).toBe('NotImplemented')
  expect((await list({ prefix: '', marker: '', delimiter: '' })).status).toBe(200)
})

test('DeleteMultipleObjects without Content-MD5 names the missing header', async () => {
  const answer = await context.call('POST', '', { query: { delete: '' }, body: '<Delete/>' })
  expect(answer.headers['x-oss-ec']).toBe('0016-00000606')
})
