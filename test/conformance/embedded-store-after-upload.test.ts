// What an app does with its objects after an upload: lists, copies, deletes them, and asks for their facts.
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
// @ts-expect-error ali-oss has no types; these tests compare its answers.
import OSS from 'ali-oss'
import { describe, expect, test } from 'vitest'
import { allOperations } from '../../src/embedded/store/operations.ts'
import { type Answer, BUCKET, CREDENTIALS, useEmbeddedStore } from '../support/embedded-store.ts'

const context = useEmbeddedStore()

const client = () =>
  new OSS({
    ...{ accessKeyId: CREDENTIALS.accessKeyId, accessKeySecret: CREDENTIALS.secretAccessKey },
    ...{ endpoint: context.store.url, bucket: BUCKET, region: 'oss-local' },
    ...{ sldEnable: true, authorizationV4: true, retryMax: 0 },
  })

const put = async (...keys: string[]) => {
  for (const key of keys) await context.call('PUT', key, { body: key })
}
const valuesOf = (text: string, name: string) =>
  [...text.matchAll(new RegExp(`<${name}>([^<]*)</${name}>`, 'g'))].map(([, value]) => value)
const list = (query: Record<string, string> = {}) => context.call('GET', '', { query })
const listV2 = (query: Record<string, string> = {}) => list({ 'list-type': '2', ...query })
const md5 = (text: string) => createHash('md5').update(text).digest()
const etagOf = (text: string) => `"${md5(text).toString('hex').toUpperCase()}"`

describe.each([
  ['ListObjects', list, 'marker', 'NextMarker'],
  ['ListObjectsV2', listV2, 'continuation-token', 'NextContinuationToken'],
] as const)('%s', (_, call, marker, next) => {
  async function walk(query: Record<string, string>) {
    const pages: string[][] = []
    let from: string | undefined = ''
    while (from !== undefined) {
      const { status, text }: Answer = await call({ ...query, ...(from ? { [marker]: from } : {}) })
      expect(status, text).toBe(200)
      pages.push([...valuesOf(text, 'Key'), ...valuesOf(text, 'Prefix').slice(1)] as string[])
      from = valuesOf(text, next)[0]
      expect(valuesOf(text, 'IsTruncated')).toEqual([String(from !== undefined)])
    }
    return pages
  }

  test('says of each object what HEAD says', async () => {
    await context.call('PUT', 'a', { body: 'abc', headers: { 'x-oss-storage-class': 'IA' } })
    const head = await context.call('HEAD', 'a')

    const { text } = await call()

    expect(valuesOf(text, 'Name')).toEqual([BUCKET])
    expect(valuesOf(text, 'MaxKeys')).toEqual(['100'])
    expect(valuesOf(text, 'ETag')).toEqual([head.headers.etag])
    expect(valuesOf(text, 'Size')).toEqual(['3'])
    expect(valuesOf(text, 'Type')).toEqual(['Normal'])
    expect(valuesOf(text, 'StorageClass')).toEqual(['IA'])
    const modified = new Date(valuesOf(text, 'LastModified')[0]!)
    expect(modified.toUTCString()).toBe(head.headers['last-modified'])
  })

  test('pages in the order of bytes, and every key comes once', async () => {
    await put('b', 'ä', 'a', '\u{1f600}', '\uff00', 'a/b')

    expect(await walk({ 'max-keys': '2' })).toEqual([
      ['a', 'a/b'],
      ['b', 'ä'],
      ['\uff00', '\u{1f600}'],
    ])
  })

  test('folds what follows a delimiter, and a page may end at a folded prefix', async () => {
    await put('p/a', 'p/b/1', 'p/b/2', 'p/c', 'q')

    expect(await walk({ prefix: 'p/', delimiter: '/', 'max-keys': '1' })).toEqual([
      ['p/a'],
      ['p/b/'],
      ['p/c'],
    ])
  })

  test('encodes keys if asked', async () => {
    await put('ä b/\u0001&')

    const { text } = await call({ 'encoding-type': 'url', prefix: 'ä b/' })

    expect(valuesOf(text, 'EncodingType')).toEqual(['url'])
    expect(valuesOf(text, 'Key').map((key) => decodeURIComponent(key!))).toEqual(['ä b/\u0001&'])
    expect(valuesOf(text, 'Prefix')).toEqual(['%C3%A4%20b%2F'])
  })

  test('follows puts, completions, copies and deletions, and is the same after a restart', async () => {
    await put('gone', 'put')
    const uploadId = await context.initiate('completed')
    await context.uploadPart('completed', uploadId, 1, 'x')
    await context.complete('completed', uploadId)
    await context.call('DELETE', 'gone')
    const keys = ['completed', 'put']
    expect(valuesOf((await call()).text, 'Key')).toEqual(keys)

    await context.restart()

    const { text } = await call()
    expect(valuesOf(text, 'Key')).toEqual(keys)
    expect(valuesOf(text, 'Type')).toEqual(['Multipart', 'Normal'])
  })

  test.each(['0', '1001', 'x', '-1'])('refuses max-keys=%s', async (value) => {
    expect((await call({ 'max-keys': value })).code).toBe('InvalidArgument')
  })
})

test('ListObjectsV2 begins after start-after, counts, names owners if asked, and refuses a bad token', async () => {
  await put('a', 'b', 'c')

  const { text } = await listV2({ 'start-after': 'a' })

  expect(valuesOf(text, 'Key')).toEqual(['b', 'c'])
  expect(valuesOf(text, 'KeyCount')).toEqual(['2'])
  expect(text).not.toContain('<Owner>')
  expect((await listV2({ 'fetch-owner': 'true' })).text).toContain('<Owner>')
  expect((await list()).text).toContain('<Owner>')
  expect((await listV2({ 'continuation-token': 'ä' })).code).toBe('InvalidArgument')
  expect((await list({ 'list-type': '3' })).code).toBe('InvalidArgument')
})

describe('CopyObject', () => {
  const source = (key = 'src') => ({ 'x-oss-copy-source': `/${BUCKET}/${key}` })
  const copy = (headers: Record<string, string> = {}, key = 'target') =>
    context.call('PUT', key, { headers: { ...source(), ...headers } })
  const putSource = (body = 'bytes') =>
    context.call('PUT', 'src', {
      body,
      headers: {
        'content-type': 'text/plain',
        'x-oss-meta-a': 'one',
        'x-oss-tagging': 't=1',
        'x-oss-object-acl': 'public-read',
        'x-oss-storage-class': 'IA',
      },
    })

  test('copies bytes, metadata and tags, but neither access list nor storage class', async () => {
    await putSource()

    const answer = await copy()

    expect(answer.status).toBe(200)
    expect(valuesOf(answer.text, 'ETag')).toEqual([etagOf('bytes')])
    await context.call('DELETE', 'src')
    const got = await context.call('GET', 'target')
    expect(got.text).toBe('bytes')
    expect(got.headers).toMatchObject({
      'content-type': 'text/plain',
      'x-oss-meta-a': 'one',
      'x-oss-tagging-count': '1',
      'x-oss-storage-class': 'Standard',
      'x-oss-hash-crc64ecma': answer.headers['x-oss-hash-crc64ecma'],
    })
    const acl = await context.call('GET', 'target', { query: { acl: '' } })
    expect(valuesOf(acl.text, 'Grant')).toEqual(['default'])
  })

  test('REPLACE takes the metadata, or the tags, of the request', async () => {
    await putSource()

    await copy({ 'x-oss-metadata-directive': 'REPLACE', 'x-oss-meta-b': 'two' })
    await copy({ 'x-oss-tagging-directive': 'Replace', 'x-oss-tagging': 'a=1&b=2' }, 'tagged')

    const { headers } = await context.call('HEAD', 'target')
    expect(headers).toMatchObject({ 'x-oss-meta-b': 'two', 'x-oss-tagging-count': '1' })
    expect(headers['content-type']).toBe('application/octet-stream')
    expect(headers).not.toHaveProperty('x-oss-meta-a')
    const tagged = await context.call('HEAD', 'tagged')
    expect(tagged.headers).toMatchObject({ 'x-oss-meta-a': 'one', 'x-oss-tagging-count': '2' })
    expect((await copy({ 'x-oss-metadata-directive': 'MOVE' })).code).toBe('InvalidArgument')
  })

  test('onto itself changes the metadata, and keeps the bytes', async () => {
    await putSource()

    expect((await copy({ 'x-oss-meta-b': 'two' }, 'src')).status).toBe(200)

    const got = await context.call('GET', 'src')
    expect(got.text).toBe('bytes')
    expect(got.headers['x-oss-meta-b']).toBe('two')
  })

  test('of a multipart object has the ETag of its bytes', async () => {
    const uploadId = await context.initiate('src')
    await context.uploadPart('src', uploadId, 1, 'x'.repeat(102_400))
    await context.uploadPart('src', uploadId, 2, 'y')
    await context.complete('src', uploadId)

    const answer = await copy()

    const { headers } = await context.call('HEAD', 'target')
    expect(valuesOf(answer.text, 'ETag')).toEqual([etagOf(`${'x'.repeat(102_400)}y`)])
    expect(headers['x-oss-object-type']).toBe('Normal')
    expect(headers['x-oss-hash-crc64ecma']).toBe(
      (await context.call('HEAD', 'src')).headers['x-oss-hash-crc64ecma'],
    )
  })

  test('of an empty object is empty', async () => {
    await putSource('')
    expect((await copy()).status).toBe(200)
    expect((await context.call('GET', 'target')).text).toBe('')
  })

  test.each([
    ['if-match', `"${'0'.repeat(32)}"`, 412],
    ['if-none-match', etagOf('bytes'), 304],
    ['if-unmodified-since', 'Mon, 01 Jan 2001 00:00:00 GMT', 412],
    ['if-modified-since', 'Fri, 01 Jan 2100 00:00:00 GMT', 304],
  ])('x-oss-copy-source-%s', async (name, value, status) => {
    await putSource()
    expect((await copy({ [`x-oss-copy-source-${name}`]: value })).status).toBe(status)
    expect((await context.call('HEAD', 'target')).status).toBe(404)
  })

  test('refuses an existing target, another bucket, an absent source and a body', async () => {
    await putSource()
    await put('target')
    expect((await copy({ 'x-oss-forbid-overwrite': 'true' })).code).toBe('FileAlreadyExists')
    expect((await copy({ 'x-oss-copy-source': '/other/src' })).code).toBe('NoSuchBucket')
    expect((await copy(source('none'))).code).toBe('NoSuchKey')
    const body = await context.call('PUT', 'target', { headers: source(), body: 'x' })
    expect(body.code).toBe('InvalidArgument')
    expect((await context.call('GET', 'target')).text).toBe('target')
  })
})

describe('DeleteMultipleObjects', () => {
  const remove = (inner: string, headers: Record<string, string> = {}, query = {}) => {
    const body = `<Delete>${inner}</Delete>`
    const digest = { 'content-md5': md5(body).toString('base64') }
    return context.call('POST', '', {
      query: { delete: '', ...query },
      headers: { ...digest, ...headers },
      body,
    })
  }
  const objects = (...keys: string[]) =>
    keys.map((key) => `<Object><Key>${key}</Key></Object>`).join('')
  const stored = async () =>
    valuesOf((await list({ 'encoding-type': 'url' })).text, 'Key').map((key) =>
      decodeURIComponent(key!),
    )

  test('deletes what is there and names every key, also one that was not there', async () => {
    await put('a', 'b', 'c')

    const answer = await remove(`<Quiet>false</Quiet>${objects('a', 'c', 'none')}`)

    expect(answer.status).toBe(200)
    expect(valuesOf(answer.text, 'Key')).toEqual(['a', 'c', 'none'])
    expect(await stored()).toEqual(['b'])
  })

  test('quiet answers nothing', async () => {
    await put('a')
    expect(await remove(`<Quiet>true</Quiet>${objects('a')}`)).toMatchObject({
      status: 200,
      text: '',
    })
    expect(await stored()).toEqual([])
  })

  test('takes a key by its exact characters', async () => {
    await put('a', ' a', 'a&<')
    const answer = await remove(objects(' a', 'a&amp;&lt;'), {}, { 'encoding-type': 'url' })
    expect(valuesOf(answer.text, 'Key')).toEqual(['%20a', 'a%26%3C'])
    expect(await stored()).toEqual(['a'])
  })

  test('refuses a missing or wrong Content-MD5, and what is no list of keys', async () => {
    await put('a')
    const unsigned = await context.call('POST', '', { query: { delete: '' }, body: '<Delete/>' })
    expect(unsigned.headers['x-oss-ec']).toBe('0016-00000606')
    const wrong = { 'content-md5': md5('').toString('base64') }
    expect((await remove(objects('a'), wrong)).code).toBe('InvalidDigest')
    for (const inner of ['', '<Object/>', '<Quiet>x</Quiet>', '<Other/>']) {
      expect((await remove(inner)).code, inner).toBe('MalformedXML')
    }
    expect((await remove(objects(...Array(1001).fill('a')))).code).toBe('MalformedXML')
    const version = '<Object><Key>a</Key><VersionId>1</VersionId></Object>'
    expect((await remove(version)).code).toBe('NotImplemented')
    expect(await stored()).toEqual(['a'])
  })
})

describe('a session policy', () => {
  const statusOf = async (
    actions: Record<string, string>,
    method: string,
    key: string,
    options: Parameters<typeof context.call>[2],
  ) =>
    (await context.call(method, key, { ...options, credentials: await context.assume(actions) }))
      .status

  test('must allow each key that DeleteMultipleObjects names', async () => {
    await put('mine/a', 'mine/b', 'other')
    const remove = (...keys: string[]) => {
      const body = `<Delete>${keys.map((key) => `<Object><Key>${key}</Key></Object>`).join('')}</Delete>`
      const headers = { 'content-md5': md5(body).toString('base64') }
      const actions = { 'oss:DeleteObject': 'mine/*' }
      return statusOf(actions, 'POST', '', { query: { delete: '' }, headers, body })
    }

    expect(await remove('mine/a', 'other')).toBe(403)
    expect(valuesOf((await list()).text, 'Key')).toEqual(['mine/a', 'mine/b', 'other'])
    expect(await remove('mine/a')).toBe(200)
    expect(valuesOf((await list()).text, 'Key')).toEqual(['mine/b', 'other'])
  })

  test('must allow listing, reading the source of a copy, and reading an access list', async () => {
    await put('a')
    const copy = { headers: { 'x-oss-copy-source': `/${BUCKET}/a` } }
    const [onlyPut, reads] = [
      { 'oss:PutObject': '*' },
      { 'oss:PutObject': '*', 'oss:GetObject': 'a' },
    ]

    expect(await statusOf(onlyPut, 'PUT', 'b', copy)).toBe(403)
    expect(await statusOf({ 'oss:GetObject': '*' }, 'PUT', 'b', copy)).toBe(403)
    expect(await statusOf(reads, 'PUT', 'b', copy)).toBe(200)
    expect(await statusOf(reads, 'GET', '', {})).toBe(403)
    expect(await statusOf({ 'oss:ListObjects': '' }, 'GET', '', {})).toBe(200)
    expect(
      await statusOf({ 'oss:ListObjects': '' }, 'GET', '', { query: { 'list-type': '2' } }),
    ).toBe(200)
    expect(await statusOf(reads, 'GET', 'a', { query: { acl: '' } })).toBe(403)
    expect(await statusOf(onlyPut, 'HEAD', 'a', { query: { objectMeta: '' } })).toBe(403)
    expect(await statusOf(reads, 'HEAD', 'a', { query: { objectMeta: '' } })).toBe(200)
  })
})

test('GetObjectAcl answers the list that the upload named, or `default`', async () => {
  await put('a')
  await context.call('PUT', 'b', { headers: { 'x-oss-object-acl': 'public-read' }, body: '' })
  const grant = async (key: string) =>
    valuesOf((await context.call('GET', key, { query: { acl: '' } })).text, 'Grant')

  expect(await grant('a')).toEqual(['default'])
  expect(await grant('b')).toEqual(['public-read'])
  expect((await context.call('GET', 'c', { query: { acl: '' } })).code).toBe('NoSuchKey')
})

test('GetObjectMeta answers size and identity, and no header of the object’s own', async () => {
  await context.call('PUT', 'a', { body: 'abc', headers: { 'x-oss-meta-a': '1' } })

  const { status, headers } = await context.call('HEAD', 'a', { query: { objectMeta: '' } })

  expect(status).toBe(200)
  expect(headers).toMatchObject({ 'content-length': '3', etag: etagOf('abc') })
  expect(headers['last-modified']).toBeDefined()
  expect(headers).not.toHaveProperty('x-oss-meta-a')
  expect((await context.call('HEAD', 'b', { query: { objectMeta: '' } })).status).toBe(404)
})

test('a key may hold control characters', async () => {
  const key = 'a\u0001\u007f\n'
  await put(key)
  expect((await context.call('GET', key)).text).toBe(key)
})

test('ali-oss lists, copies, deletes, and reads access list and meta', async () => {
  const oss = client()
  await oss.put('dir/a', Buffer.from('a'))
  await oss.copy('dir/b', 'dir/a')
  const names = async () =>
    ((await oss.listV2({ prefix: 'dir/' })).objects ?? []).map(({ name }: { name: string }) => name)

  expect(await names()).toEqual(['dir/a', 'dir/b'])
  expect((await oss.list({ delimiter: '/', 'max-keys': 10 }, {})).prefixes).toEqual(['dir/'])
  expect((await oss.getACL('dir/a')).acl).toBe('default')
  const meta = await oss.getObjectMeta('dir/a')
  expect(meta.res.headers).toMatchObject({ 'content-length': '1' })
  await oss.deleteMulti(['dir/a'], { quiet: true })
  expect(await names()).toEqual(['dir/b'])
})

test('docs/storage.md lists every operation, and whether it is served', async () => {
  const docs = await readFile(join(import.meta.dirname, '../../docs/storage.md'), 'utf8')
  const rows = new Map<string, string>(
    [
      ...allOperations(),
      { name: 'PostObject', served: true },
      { name: 'ListBuckets', served: false },
    ].map(({ name, served }) => [name, `| ${name} | ${served ? 'served' : 'refused by name'} |`]),
  )
  const table = [...rows.values()].sort((a, b) => (a < b ? -1 : 1)).join('\n')
  expect(docs).toContain(`| operation | embedded store |\n| --- | --- |\n${table}\n\n`)
})

describe('what is refused', () => {
  const refused = allOperations().filter(({ served }) => !served)

  test.each(refused)('$name ($route) is named', async ({ name, route }) => {
    await put('key')
    const [method = '', target = ''] = route.split(' ')
    const [path, selector] = target.split('?')

    const { code, status, text } = await context.call(method, path === '/' ? '' : 'key', {
      query: selector ? { [selector]: '' } : {},
    })

    expect({ code, status }).toEqual({ code: 'NotImplemented', status: 400 })
    expect(text).toContain(`does not implement ${name}.`)
    expect((await context.call('GET', 'key')).text).toBe('key')
  })

  test('an unknown setting of the bucket is never taken for a listing', async () => {
    expect((await list({ newSetting: '' })).code).toBe('NotImplemented')
    expect((await list({ acl: '', cors: '' })).code).toBe('NotImplemented')
  })
})
