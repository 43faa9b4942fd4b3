// What a laptop app does after an upload: lists, copies, deletes several objects, and asks for access lists and facts.
import { createHash } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
// @ts-expect-error the package has no types
import OSS from 'ali-oss'
import { describe, expect, test } from 'vitest'
import { oss4DateTime, signHeaders } from '../../src/signing/oss4.ts'
import { signAcs3 } from '../../src/storage/aliyun/acs3.ts'
import { BUCKET, CREDENTIALS, useEmbeddedStore } from '../support/embedded-store.ts'

const context = useEmbeddedStore()
const put = async (...keys: string[]) => {
  for (const key of keys) await context.call('PUT', key, { body: key })
}
const md5 = (text: string) => createHash('md5').update(text)
const list = async (query: Record<string, string>) =>
  (await context.call('GET', '', { query })).text
const all = (xml: string, name: string) =>
  [...xml.matchAll(new RegExp(`<${name}>([^<]*)</${name}>`, 'g'))].map(([, text]) => text)
const keysOf = (xml: string) => all(xml, 'Key')
const prefixes = (xml: string) =>
  [...xml.matchAll(/<CommonPrefixes><Prefix>([^<]*)</g)].map(([, text]) => text)

describe('ListObjects', () => {
  test('tells of each object what OSS tells, sorted by bytes', async () => {
    context.now = new Date('2023-12-16T16:20:57.123Z')
    await put('b', 'ä', 'a')
    const uploadId = await context.initiate('😀', { 'x-oss-storage-class': 'IA' })
    await context.uploadPart('😀', uploadId, 1, 'x')
    await context.complete('😀', uploadId)

    const xml = await list({})

    expect(keysOf(xml)).toEqual(['a', 'b', 'ä', '😀'])
    expect(xml).toContain(`<ListBucketResult><Name>${BUCKET}</Name>`)
    expect(xml).toContain('<MaxKeys>100</MaxKeys>')
    expect(xml).toContain('<IsTruncated>false</IsTruncated>')
    expect(xml).not.toContain('NextMarker')
    expect(xml).toContain(
      '<Contents><Key>a</Key><LastModified>2023-12-16T16:20:57.000Z</LastModified>' +
        `<ETag>"${md5('a').digest('hex').toUpperCase()}"</ETag><Type>Normal</Type><Size>1</Size>` +
        '<StorageClass>Standard</StorageClass><Owner>',
    )
    expect(xml).toMatch(/<Type>Multipart<\/Type><Size>1<\/Size><StorageClass>IA</)
  })

  const KEYS = ['p/a', 'p/b/1', 'p/b/2', 'p/c', 'p/d/1', 'q']

  test.each([1, 2])('version %i pages through keys and common prefixes', async (version) => {
    await put(...KEYS)
    const query = { prefix: 'p/', delimiter: '/', 'max-keys': '1' }
    const seen: unknown[] = []
    let next: Record<string, string> = version === 2 ? { 'list-type': '2' } : {}

    for (let page = 0; page < 4; page++) {
      const xml = await list({ ...query, ...next })
      seen.push(...keysOf(xml), ...prefixes(xml))
      expect(all(xml, 'IsTruncated')).toEqual([String(page < 3)])
      if (version === 2) expect(all(xml, 'KeyCount')).toEqual(['1'])
      const [marker = ''] = all(xml, version === 2 ? 'NextContinuationToken' : 'NextMarker')
      next = version === 2 ? { 'list-type': '2', 'continuation-token': marker } : { marker }
    }

    expect(seen).toEqual(['p/a', 'p/b/', 'p/c', 'p/d/'])
  })

  test('begins after a marker, also within a common prefix', async () => {
    await put(...KEYS)

    expect(keysOf(await list({ marker: 'p/b/1' }))).toEqual(['p/b/2', 'p/c', 'p/d/1', 'q'])
    expect(keysOf(await list({ 'list-type': '2', 'start-after': 'p/d/1' }))).toEqual(['q'])
    const within = await list({ marker: 'p/b/1', delimiter: '/', prefix: 'p/' })
    expect(prefixes(within)).toEqual(['p/b/', 'p/d/'])
  })

  test('encodes keys that XML cannot carry, if asked', async () => {
    await put('a\u0001 +&', 'b')

    const xml = await list({ 'encoding-type': 'url', 'max-keys': '1', prefix: 'a\u0001' })

    expect(xml).toContain('<EncodingType>url</EncodingType>')
    expect(keysOf(xml)).toEqual(['a%01%20%2B%26'])
    expect(xml).toContain('<Prefix>a%01</Prefix>')
  })

  test('knows what was put, completed and deleted, also after a restart', async () => {
    await put('a', 'b')
    await context.call('DELETE', 'a')
    await context.restart()
    await put('c')

    expect(keysOf(await list({}))).toEqual(['b', 'c'])
  })

  test('version 2 tells the owner only if asked', async () => {
    await put('a')

    expect(await list({ 'list-type': '2' })).not.toContain('<Owner>')
    expect(await list({ 'list-type': '2', 'fetch-owner': 'true' })).toContain('<Owner>')
  })

  test.each<Record<string, string>>([
    { 'max-keys': '0' },
    { 'max-keys': '1001' },
    { 'list-type': '3' },
    { 'encoding-type': 'xml' },
    { 'list-type': '2', 'continuation-token': '****' },
    { 'list-type': '2', 'continuation-token': '_w' },
  ])('with %o is refused', async (query) => {
    expect(await context.call('GET', '', { query })).toMatchObject({
      status: 400,
      code: 'InvalidArgument',
    })
  })
})

describe('CopyObject', () => {
  const copy = (key: string, headers: Record<string, string> = {}, from = 'a') =>
    context.call('PUT', key, {
      headers: { 'x-oss-copy-source': `/${BUCKET}/${from}`, ...headers },
    })
  const putSource = () =>
    context.call('PUT', 'a', {
      body: 'hello',
      headers: {
        'content-type': 'image/png',
        'x-oss-meta-who': 'me',
        'x-oss-object-acl': 'public-read',
        'x-oss-storage-class': 'IA',
        'x-oss-tagging': 'a=1',
      },
    })
  const head = async (key: string) => (await context.call('HEAD', key)).headers

  test('copies bytes, type, metadata and tags, and the copy is independent', async () => {
    const { headers } = await putSource()

    const answer = await copy('b')
    await context.call('DELETE', 'a')
    await context.restart()

    expect(answer.status).toBe(200)
    expect(answer.text).toContain(`<ETag>${headers.etag}</ETag></CopyObjectResult>`)
    expect(answer.headers['x-oss-hash-crc64ecma']).toBe(headers['x-oss-hash-crc64ecma'])
    expect((await context.call('GET', 'b')).text).toBe('hello')
    expect(await head('b')).toMatchObject({
      'content-type': 'image/png',
      'x-oss-meta-who': 'me',
      'x-oss-storage-class': 'Standard',
      'x-oss-tagging-count': '1',
    })
    expect((await context.call('GET', 'b', { query: { acl: '' } })).text).toContain('>default<')
  })

  test('takes the request’s metadata with REPLACE, and onto itself', async () => {
    await putSource()
    const headers = { 'content-type': 'text/plain', 'x-oss-meta-new': '1' }

    await copy('b', { ...headers, 'x-oss-metadata-directive': 'REPLACE' })
    await copy('a', headers)

    for (const key of ['a', 'b']) {
      expect(await head(key)).toMatchObject(headers)
      expect(await head(key)).not.toHaveProperty('x-oss-meta-who')
    }
    expect((await context.call('GET', 'a')).text).toBe('hello')
    expect(await readdir(join(context.directory, 'data'))).toHaveLength(2)
  })

  test.each<[string, Record<string, string>, number, string | undefined]>([
    ['if-match', { 'x-oss-copy-source-if-match': '"0"' }, 412, 'PreconditionFailed'],
    ['if-none-match', { 'x-oss-copy-source-if-none-match': '*' }, 304, undefined],
    ['forbid-overwrite', { 'x-oss-forbid-overwrite': 'true' }, 409, 'FileAlreadyExists'],
    ['another directive', { 'x-oss-metadata-directive': 'MERGE' }, 400, 'InvalidArgument'],
    ['another bucket', { 'x-oss-copy-source': '/other/a' }, 404, 'NoSuchBucket'],
    ['a missing source', { 'x-oss-copy-source': `/${BUCKET}/none` }, 404, 'NoSuchKey'],
  ])('with %s is refused, and changes nothing', async (_, headers, status, code) => {
    await putSource()
    await put('b')

    expect(await copy('b', headers)).toMatchObject({ status, code })
    expect((await context.call('GET', 'b')).text).toBe('b')
    expect(await readdir(join(context.directory, 'data'))).toHaveLength(2)
  })
})

describe('DeleteMultipleObjects', () => {
  const document = (keys: string[], quiet = '') =>
    `<Delete>${quiet}${keys.map((key) => `<Object><Key>${key}</Key></Object>`).join('')}</Delete>`
  const remove = (body: string, headers?: Record<string, string>) =>
    context.call('POST', '', {
      query: { delete: '' },
      body,
      headers: headers ?? { 'content-md5': md5(body).digest('base64') },
    })

  test('removes what is listed, and answers it, unless it is quiet', async () => {
    await put('a', ' a', 'b', 'c', 'd')

    const told = await remove(document([' a', 'b', 'none']))
    const quiet = await remove(document(['c'], '<Quiet>true</Quiet>'))

    expect(told).toMatchObject({ status: 200 })
    expect(keysOf(told.text)).toEqual([' a', 'b', 'none'])
    expect(quiet).toMatchObject({ status: 200, text: '' })
    expect(keysOf(await list({}))).toEqual(['a', 'd'])
    expect(await readdir(join(context.directory, 'data'))).toHaveLength(2)
  })

  test.each([
    ['no Content-MD5', document(['a']), {}, 'MissingArgument'],
    ['another MD5', document(['a']), { 'content-md5': md5('x').digest('base64') }, 'InvalidDigest'],
    ['no key', document([]), undefined, 'MalformedXML'],
    ['1,001 keys', document(Array(1001).fill('a')), undefined, 'MalformedXML'],
    ['a key that is none', document(['a', '/a']), undefined, 'InvalidObjectName'],
    [
      'a version',
      document(['a']).replace('</Key>', '</Key><VersionId>1</VersionId>'),
      undefined,
      'NotImplemented',
    ],
  ])('with %s is refused, and nothing is deleted', async (_, body, headers, code) => {
    await put('a')

    expect(await remove(body, headers)).toMatchObject({ status: 400, code })
    expect(keysOf(await list({}))).toEqual(['a'])
  })

  test('asks a session policy for each key', async () => {
    await put('mine', 'other')
    const session = await assume({ 'oss:DeleteObject': 'mine' })
    const asked = async (keys: string[]) => {
      const body = document(keys)
      const headers = { 'content-md5': md5(body).digest('base64') }
      const request = { method: 'POST', bucket: BUCKET, query: [['delete', '']] as const, headers }
      const scope = { dateTime: oss4DateTime(context.now), region: 'local' }
      const signed = signHeaders(request, session, scope)
      return context.send({ method: 'POST', path: `/${BUCKET}/?delete`, headers: signed, body })
    }

    expect(await asked(['mine', 'other'])).toMatchObject({ status: 403, code: 'AccessDenied' })
    expect(keysOf(await list({}))).toEqual(['mine', 'other'])
    expect((await asked(['mine'])).status).toBe(200)
    expect(keysOf(await list({}))).toEqual(['other'])
  })
})

describe('facts of an object', () => {
  test('GetObjectMeta answers size, ETag and time only', async () => {
    const { headers } = await context.call('PUT', 'a', {
      body: 'hello',
      headers: { 'x-oss-meta-who': 'me' },
    })

    const meta = await context.call('HEAD', 'a', { query: { objectMeta: '' } })

    expect(meta.headers).toMatchObject({ etag: headers.etag, 'content-length': '5' })
    expect(meta.headers['last-modified']).toBe(context.now.toUTCString())
    expect(meta.headers).not.toHaveProperty('x-oss-meta-who')
    expect((await context.call('HEAD', 'none', { query: { objectMeta: '' } })).status).toBe(404)
  })

  test('GetObjectAcl answers what the object was stored with', async () => {
    await context.call('PUT', 'a', { body: 'x', headers: { 'x-oss-object-acl': 'public-read' } })
    await put('b')
    const acl = async (key: string) => await context.call('GET', key, { query: { acl: '' } })

    expect((await acl('a')).text).toContain('<Grant>public-read</Grant>')
    expect((await acl('b')).text).toContain('<Grant>default</Grant>')
    expect(await acl('none')).toMatchObject({ status: 404, code: 'NoSuchKey' })
  })
})

test.each([
  ['POST', 'a', { append: '', position: '0' }, 'AppendObject'],
  ['PUT', 'a', { acl: '' }, 'PutObjectAcl'],
  ['GET', 'a', { acl: '', append: '' }, 'AppendObject'],
  ['GET', 'a', { tagging: '' }, 'GetObjectTagging'],
  ['PUT', 'a', { symlink: '' }, 'PutSymlink'],
  ['GET', '', { location: '' }, 'GetBucketLocation'],
  ['GET', '', { versions: '' }, 'ListObjectVersions'],
  ['GET', '', { somethingNew: '' }, 'GET ?somethingNew'],
  ['PUT', '', {}, 'PutBucket'],
  ['DELETE', '', {}, 'DeleteBucket'],
])('%s of "%s" with %o is refused as %s', async (method, key, query, name) => {
  const answer = await context.call(method, key, { query: query as never })

  expect(answer).toMatchObject({ status: 400, code: 'NotImplemented' })
  expect(all(answer.text, 'Operation')).toEqual([name])
})

test('a listing of buckets is refused by name', async () => {
  const answer = await context.send({ method: 'GET', path: '/' })

  expect(all(answer.text, 'Operation')).toEqual(['ListBuckets'])
})

test('ali-oss lists, copies, reads access lists and deletes', async () => {
  const client = new OSS({
    endpoint: context.store.url,
    bucket: BUCKET,
    region: 'oss-local',
    accessKeyId: CREDENTIALS.accessKeyId,
    accessKeySecret: CREDENTIALS.secretAccessKey,
    sldEnable: true,
    authorizationV4: true,
  })
  const keys = ['dir/a b.txt', 'dir/c.txt']
  await client.put(keys[0]!, Buffer.from('hello'))
  await client.copy(keys[1]!, keys[0]!)

  const one = await client.list({ prefix: 'dir/', 'max-keys': 10 }, {})
  const two = await client.listV2({ prefix: 'dir/' })
  const acl = await client.getACL(keys[0]!)
  const meta = await client.getObjectMeta(keys[1]!)
  const deleted = await client.deleteMulti(keys)

  expect(one.objects.map(({ name }: { name: string }) => name)).toEqual(keys)
  expect(two.objects.map(({ name }: { name: string }) => name)).toEqual(keys)
  expect(acl.acl).toBe('default')
  expect(meta.status).toBe(200)
  expect(deleted.deleted).toHaveLength(2)
  expect((await client.list({ 'max-keys': 10 }, {})).objects ?? []).toEqual([])
})

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
      nonce: 'once',
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
