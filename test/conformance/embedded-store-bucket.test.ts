// Settings of the embedded store's bucket: documented behaviour, documented refusals, and CORS answers to browsers.
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { BUCKET, useEmbeddedStore } from '../support/embedded-store.ts'

const context = useEmbeddedStore()
const call = (method: string, setting: string, body?: string, headers?: Record<string, string>) =>
  context.call(method, '', { query: { [setting]: '' }, body, headers })

const cors = (...rules: string[]) =>
  `<CORSConfiguration>${rules.map((rule) => `<CORSRule>${rule}</CORSRule>`).join('')}</CORSConfiguration>`
const lifecycle = (...rules: string[]) =>
  `<LifecycleConfiguration>${rules.map((rule) => `<Rule>${rule}</Rule>`).join('')}</LifecycleConfiguration>`
/** As OSS answers it. */
const answered = (...rules: string[]) =>
  `<?xml version="1.0" encoding="UTF-8"?>\n${cors(...rules).replace('</CORSC', '<ResponseVary>false</ResponseVary></CORSC')}`
const ANY = '<AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod>'
const abort = (id: string, prefix: string, action = '<Days>8</Days>') =>
  `<ID>${id}</ID><Prefix>${prefix}</Prefix><Status>Enabled</Status><AbortMultipartUpload>${action}</AbortMultipartUpload>`

describe('CORS', () => {
  it('can be stored, read back after a restart, replaced and deleted', async () => {
    expect(await call('GET', 'cors')).toMatchObject({
      status: 404,
      code: 'NoSuchCORSConfiguration',
    })
    expect(await call('PUT', 'cors', cors(ANY))).toMatchObject({ status: 200, text: '' })
    await context.restart()
    expect((await call('GET', 'cors')).text).toBe(answered(ANY))
    expect((await call('PUT', 'cors', cors(ANY, ANY))).status).toBe(200)
    expect((await call('GET', 'cors')).text).toBe(answered(ANY, ANY))
    expect((await call('DELETE', 'cors')).status).toBe(204)
    expect((await call('GET', 'cors')).code).toBe('NoSuchCORSConfiguration')
    expect((await call('DELETE', 'cors')).status).toBe(204)
  })

  it('answers header names in lower case, and ResponseVary always', async () => {
    const rule = (name: string) => `${ANY}<AllowedHeader>${name}</AllowedHeader>`
    const vary = '<ResponseVary>true</ResponseVary></CORSConfiguration>'

    await call('PUT', 'cors', cors(rule('X-OSS-Meta-A')))
    expect((await call('GET', 'cors')).text).toBe(answered(rule('x-oss-meta-a')))
    await call('PUT', 'cors', cors(ANY).replace('</CORSConfiguration>', vary))
    expect((await call('GET', 'cors')).text).toContain(vary)
  })

  const many = (rule: string, count: number) => Array.from({ length: count }, () => rule)
  it.each([
    ['no XML', 'hello', 'MalformedXML'],
    ['a cut document', cors(ANY).slice(0, -3), 'MalformedXML'],
    ['a DOCTYPE', `<!DOCTYPE a>${cors(ANY)}`, 'MalformedXML'],
    ['another root', '<Cors/>', 'MalformedXML'],
    ['no rule', cors(), 'MalformedXML'],
    ['an unknown element', cors(`${ANY}<Allowed>x</Allowed>`), 'MalformedXML'],
    ['no method', cors('<AllowedOrigin>*</AllowedOrigin>'), 'MalformedXML'],
    ['an unknown method', cors(ANY.replace('GET', 'PATCH')), 'MalformedXML'],
    ['no origin', cors('<AllowedMethod>GET</AllowedMethod>'), 'MalformedXML'],
    ['two asterisks in an origin', cors(ANY.replace('*', 'http://*.*')), 'InvalidArgument'],
    [
      'two asterisks in a header',
      cors(`${ANY}<AllowedHeader>*x*</AllowedHeader>`),
      'InvalidArgument',
    ],
    [
      'an asterisk in an exposed header',
      cors(`${ANY}<ExposeHeader>x-*</ExposeHeader>`),
      'InvalidArgument',
    ],
    ['a broken age', cors(`${ANY}<MaxAgeSeconds>-1</MaxAgeSeconds>`), 'MalformedXML'],
    ['eleven rules', cors(...many(ANY, 11)), 'InvalidArgument'],
    [
      'more than 16 KB',
      cors(...many(`${ANY}<AllowedHeader>${'x'.repeat(2000)}</AllowedHeader>`, 9)),
      'EntityTooLarge',
    ],
  ])('refuses %s, and keeps the old configuration', async (_, body, code) => {
    await call('PUT', 'cors', cors(ANY))
    expect(await call('PUT', 'cors', body)).toMatchObject({ status: 400, code })
    expect((await call('GET', 'cors')).text).toBe(answered(ANY))
  })

  it('takes ten rules, and refuses a wrong Content-MD5', async () => {
    expect((await call('PUT', 'cors', cors(...many(ANY, 10)))).status).toBe(200)
    const headers = { 'content-md5': 'AAAAAAAAAAAAAAAAAAAAAA==' }
    expect((await call('PUT', 'cors', cors(ANY), headers)).code).toBe('InvalidDigest')
  })

  const preflight = (origin: string, method: string, asked?: string) =>
    context.send({
      method: 'OPTIONS',
      path: `/${BUCKET}/a.bin`,
      headers: {
        origin,
        'access-control-request-method': method,
        ...(asked ? { 'access-control-request-headers': asked } : {}),
      },
    })

  it('answers preflights and requests by the first matching rule', async () => {
    const rule = (origin: string, methods: string[], rest: string) =>
      `<AllowedOrigin>${origin}</AllowedOrigin>${methods.map((name) => `<AllowedMethod>${name}</AllowedMethod>`).join('')}${rest}`
    await call(
      'PUT',
      'cors',
      cors(
        rule('https://*.example.com', ['GET'], '<ExposeHeader>x-first</ExposeHeader>'),
        rule(
          'https://a.example.com',
          ['PUT', 'GET'],
          '<AllowedHeader>x-oss-*</AllowedHeader><ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds>60</MaxAgeSeconds>',
        ),
      ),
    )

    expect(await preflight('https://a.example.com', 'PUT', 'X-OSS-meta-a')).toMatchObject({
      status: 200,
      headers: {
        'access-control-allow-origin': 'https://a.example.com',
        'access-control-allow-methods': 'PUT, GET',
        'access-control-allow-headers': 'X-OSS-meta-a',
        'access-control-expose-headers': 'ETag',
        'access-control-max-age': '60',
        vary: 'Origin',
      },
    })
    for (const [origin, method, asked] of [
      ['https://b.example.com', 'PUT', undefined],
      ['https://a.example.com', 'DELETE', undefined],
      ['https://a.example.com', 'PUT', 'x-oss-a, authorization'],
      ['https://example.org', 'GET', undefined],
    ] as const) {
      expect(await preflight(origin, method, asked)).toMatchObject({
        status: 403,
        code: 'AccessForbidden',
      })
    }
    const get = await context.call('GET', 'none', { headers: { origin: 'https://a.example.com' } })
    expect(get).toMatchObject({
      status: 404,
      headers: { 'access-control-expose-headers': 'x-first' },
    })
    const foreign = await context.call('GET', 'none', { headers: { origin: 'https://x.org' } })
    expect(foreign.headers).not.toHaveProperty('access-control-allow-origin')
    expect((await preflight('https://a.example.com', '')).status).not.toBe(200)
  })

  it('without a configuration allows every origin', async () => {
    expect(await preflight('https://x.org', 'PUT', 'a, b')).toMatchObject({
      status: 200,
      headers: { 'access-control-allow-origin': '*', 'access-control-allow-headers': 'a, b' },
    })
  })
})

describe('lifecycle', () => {
  it('can be stored, read back and deleted', async () => {
    expect(await call('GET', 'lifecycle')).toMatchObject({ status: 404, code: 'NoSuchLifecycle' })
    const body = lifecycle(
      abort('one', 'a/'),
      '<ID>two</ID><Prefix>b/</Prefix><Status>Disabled</Status><Filter><Not><Prefix>b/x</Prefix></Not></Filter><Transition><Days>30</Days><StorageClass>IA</StorageClass></Transition>',
    )
    expect((await call('PUT', 'lifecycle', body)).status).toBe(200)
    await context.restart()
    expect((await call('GET', 'lifecycle')).text).toContain(body)
    expect((await call('DELETE', 'lifecycle')).status).toBe(204)
    expect((await call('GET', 'lifecycle')).code).toBe('NoSuchLifecycle')
  })

  it('gives an ID to a rule without one', async () => {
    await call('PUT', 'lifecycle', lifecycle(abort('x', 'a/').replace('<ID>x</ID>', '')))
    expect((await call('GET', 'lifecycle')).text).toMatch(/<ID>[0-9a-f]{32}<\/ID>/)
  })

  const expiry =
    '<ID>e</ID><Prefix>a/</Prefix><Status>Enabled</Status><Expiration><Days>1</Days></Expiration>'
  it.each([
    ['another root', '<Lifecycle/>', 'MalformedXML', '0014-00000012'],
    ['no action', lifecycle('<Prefix>a</Prefix><Status>Enabled</Status>'), 'MalformedXML'],
    ['no status', lifecycle(abort('x', 'a').replace('Enabled', '')), 'MalformedXML'],
    ['no days', lifecycle(abort('x', 'a', '')), 'MalformedXML'],
    ['zero days', lifecycle(abort('x', 'a', '<Days>0</Days>')), 'MalformedXML'],
    ['a long ID', lifecycle(abort('x'.repeat(256), 'a')), 'MalformedXML'],
    ['a repeated ID', lifecycle(abort('x', 'a'), abort('x', 'b')), 'InvalidArgument'],
    [
      'days and a date',
      lifecycle(
        abort(
          'x',
          'a',
          '<Days>1</Days><CreatedBeforeDate>2026-01-01T00:00:00.000Z</CreatedBeforeDate>',
        ),
      ),
      'MalformedXML',
      '0014-00000061',
    ],
    [
      'overlapping prefixes',
      lifecycle(abort('x', 'a/'), abort('y', 'b/'), abort('z', 'a/b/')),
      'InvalidArgument',
      '0014-00000084',
    ],
    [
      'the whole bucket and a prefix',
      lifecycle(abort('x', ''), abort('y', 'b/')),
      'InvalidArgument',
      '0014-00000084',
    ],
    ['one prefix twice', lifecycle(abort('x', 'a/'), expiry), 'InvalidArgument', '0014-00000085'],
    [
      '1001 rules',
      lifecycle(...Array.from({ length: 1001 }, (_, index) => abort(`r${index}`, `${index}/`))),
      'InvalidArgument',
    ],
  ])('refuses %s', async (_, body, code, ec?) => {
    const answer = await call('PUT', 'lifecycle', body)
    expect(answer).toMatchObject({ status: 400, code })
    if (ec) expect(answer.headers['x-oss-ec']).toBe(ec)
  })

  it('takes 1000 rules, different actions on one path, and an overlap that the request allows', async () => {
    const rules = Array.from({ length: 1000 }, (_, index) => abort(`r${index}`, `${index}/`))
    expect((await call('PUT', 'lifecycle', lifecycle(...rules))).status).toBe(200)
    const nested = lifecycle(expiry, abort('x', 'a/b/'))
    expect((await call('PUT', 'lifecycle', nested)).status).toBe(200)
    const overlap = lifecycle(expiry, expiry.replace('<ID>e', '<ID>f').replace('a/', 'a/b/'))
    const headers = { 'x-oss-allow-same-action-overlap': 'true' }
    expect((await call('PUT', 'lifecycle', overlap)).code).toBe('InvalidArgument')
    expect((await call('PUT', 'lifecycle', overlap, headers)).status).toBe(200)
    const aborts = lifecycle(abort('x', 'a/'), abort('y', 'a/b/'))
    expect((await call('PUT', 'lifecycle', aborts, headers)).code).toBe('InvalidArgument')
  })
})

describe('ACL and versioning', () => {
  it('are private and unversioned until they are set', async () => {
    expect((await call('GET', 'acl')).text).toContain('<Grant>private</Grant>')
    expect((await call('GET', 'versioning')).text).toContain(
      '<VersioningConfiguration></VersioningConfiguration>',
    )
    await call('PUT', 'acl', undefined, { 'x-oss-acl': 'public-read' })
    await call(
      'PUT',
      'versioning',
      '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>',
    )
    expect((await call('GET', 'acl')).text).toContain('<Grant>public-read</Grant>')
    expect((await call('GET', 'versioning')).text).toContain('<Status>Enabled</Status>')
  })

  it('refuse what OSS does not know', async () => {
    expect((await call('PUT', 'acl', undefined, { 'x-oss-acl': 'all' })).code).toBe(
      'InvalidArgument',
    )
    expect((await call('PUT', 'versioning', '<VersioningConfiguration/>')).code).toBe(
      'MalformedXML',
    )
  })
})

it.each(['acl', 'cors', 'lifecycle', 'versioning'])(
  '`?%s` of an object is refused, never taken for the object',
  async (setting) => {
    await context.call('PUT', 'a.txt', { body: 'hello' })
    for (const method of setting === 'acl' ? ['PUT', 'DELETE'] : ['GET', 'PUT', 'DELETE']) {
      const answer = await context.call(method, 'a.txt', { query: { [setting]: '' }, body: '' })
      expect(answer.code).toBe('NotImplemented')
    }
    expect((await context.call('GET', 'a.txt')).text).toBe('hello')
  },
)

it('refuses an unsigned request, and clears a half-written file after a kill', async () => {
  const unsigned = await context.send({ method: 'PUT', path: `/${BUCKET}/?cors`, body: cors(ANY) })
  expect(unsigned).toMatchObject({ status: 403, code: 'AccessDenied' })

  const leftover = join(context.directory, 'bucket.json.ABC.tmp')
  await writeFile(leftover, '{')
  await context.restart()
  await expect(readFile(leftover)).rejects.toMatchObject({ code: 'ENOENT' })
})
