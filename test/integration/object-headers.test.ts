// The policy's `object` block on every way to the store. The service sends or signs it, and the client cannot change it.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ADMIN_KEY, type Harness, putPart, someBytes, startHarness } from '../support/harness.ts'

const KiB = 1024

const OBJECT = {
  acl: 'public-read',
  storageClass: 'IA',
  serverSideEncryption: 'KMS',
  serverSideEncryptionKeyId: 'key-1',
  serverSideDataEncryption: 'SM4',
  cacheControl: 'max-age=60',
  contentDisposition: 'attachment; filename="x.bin"',
  tags: { team: 'a b', 'cost:center': '1+1=2' },
  metadata: { owner: 'photos' },
}
/** The headers as sent. */
const HEADERS = {
  'content-type': 'image/png',
  'cache-control': 'max-age=60',
  'content-disposition': 'attachment; filename="x.bin"',
  'x-oss-storage-class': 'IA',
  'x-oss-server-side-encryption': 'KMS',
  'x-oss-server-side-encryption-key-id': 'key-1',
  'x-oss-server-side-data-encryption': 'SM4',
  'x-oss-meta-owner': 'photos',
  'x-oss-tagging': 'team=a%20b&cost%3Acenter=1%2B1%3D2',
  'x-oss-forbid-overwrite': 'true',
}
const ACL = { 'x-oss-object-acl': 'public-read' }

let harness: Harness
let app: { id: string; apiKey: string }
let sent: Array<{ method: string; url: URL; headers: Record<string, string> }>

beforeAll(async () => {
  harness = await startHarness()
  app = await harness.createApp({ object: OBJECT, direct: true, maxSizeBytes: 10_000_000 })
  harness.interceptStore((forward) => (input, init) => {
    const headers = Object.fromEntries(new Headers(init?.headers))
    sent.push({ method: init?.method ?? 'GET', url: new URL(String(input)), headers })
    return forward(input, init)
  })
})
afterAll(() => harness.stop())

async function create(sizeBytes: number, more: Record<string, unknown> = {}) {
  sent = []
  const { body } = await harness.call('POST', '/v1/uploads', app.apiKey, {
    subject: 'ada',
    filename: 'a.png',
    contentType: 'image/png',
    sizeBytes,
    ...more,
  })
  return body
}
const complete = (created: Record<string, any>, body: unknown = {}) =>
  harness.call('POST', `/v1/uploads/${created.id}/complete`, created.completionToken, body)

/** Headers of the object as any reader sees them. */
async function readHeaders(id: string) {
  const answer = await harness.call('GET', `/v1/uploads/${id}/object`, app.apiKey)
  return (await fetch(answer.headers.get('location')!)).headers
}

async function expectKept(created: Record<string, any>) {
  const kept = Object.fromEntries(await readHeaders(created.id))
  expect(kept).toMatchObject({
    'content-type': 'image/png',
    'cache-control': 'max-age=60',
    'x-oss-storage-class': 'IA',
    'x-oss-server-side-encryption': 'KMS',
    'x-oss-server-side-encryption-key-id': 'key-1',
    'x-oss-server-side-data-encryption': 'SM4',
    'x-oss-meta-owner': 'photos',
    'x-oss-meta-countersign-upload': created.id,
    'x-oss-tagging-count': '2',
  })
}

const request = (method: string, query: string) =>
  sent.find((one) => one.method === method && one.url.searchParams.has(query))!

describe('a multipart upload', () => {
  const bytes = someBytes(250 * KiB)
  const multipart = { partSizeBytes: 100 * KiB }

  it('is initiated with all of it but the access list, which goes with its completion', async () => {
    const created = await create(bytes.length, multipart)
    for (const part of created.parts) {
      expect(Object.keys(part.headers)).toEqual([])
      const stored = await putPart(part, bytes, 100 * KiB)
      expect(stored.headers.get('x-oss-server-side-encryption')).toBe('KMS')
    }
    expect(await complete(created)).toMatchObject({ status: 200 })

    const initiate = request('POST', 'uploads').headers
    expect(initiate).toMatchObject({ ...HEADERS, 'x-oss-meta-countersign-upload': created.id })
    expect(initiate).not.toHaveProperty('x-oss-object-acl')
    expect(request('POST', 'uploadId').headers).toMatchObject({
      ...ACL,
      'x-oss-forbid-overwrite': 'true',
    })
    await expectKept(created)
  })

  it('completed directly has its access list in the signature', async () => {
    const created = await create(bytes.length, multipart)
    for (const part of created.parts) await putPart(part, bytes, 100 * KiB)
    const { direct } = (await complete(created, { mode: 'direct' })).body

    expect(direct.headers).toEqual({
      'x-oss-complete-all': 'yes',
      'x-oss-forbid-overwrite': 'true',
      ...ACL,
    })
    const { 'x-oss-object-acl': _, ...without } = direct.headers
    for (const headers of [without, { ...direct.headers, 'x-oss-object-acl': 'private' }]) {
      const refused = await fetch(direct.url, { method: 'POST', headers })
      expect(await refused.text()).toContain('SignatureDoesNotMatch')
    }
    const done = await fetch(direct.url, { method: 'POST', headers: direct.headers })
    expect(await done.json()).toMatchObject({ state: 'completed' })
  })
})

describe('a single PUT', () => {
  const bytes = someBytes(1000)
  const put = (url: string, headers: Record<string, string>) =>
    fetch(url, { method: 'PUT', headers, body: bytes })

  it('is signed with all of it, and refused with anything else', async () => {
    const created = await create(bytes.length)
    const [part] = created.parts
    const lower = Object.fromEntries(new Headers(part.headers))

    expect(lower).toEqual({ ...HEADERS, ...ACL, 'x-oss-meta-countersign-upload': created.id })
    for (const name of Object.keys(lower)) {
      const { [name]: value, ...without } = lower
      expect((await put(part.url, { ...without, [name]: `${value}x` })).status).toBe(403)
      // The signature names it, so its absence is found before the signature is judged.
      expect((await put(part.url, without)).status).toBe(
        name.startsWith('x-oss-') || name === 'content-type' ? 403 : 400,
      )
    }
    expect((await put(part.url, { ...lower, 'x-oss-meta-more': '1' })).status).toBe(403)
    expect((await put(part.url, part.headers)).status).toBe(200)
    expect(await complete(created)).toMatchObject({ status: 200 })
    await expectKept(created)
  })
})

it('an empty object is put with all of it by the service', async () => {
  const created = await create(0)
  sent = []

  expect(await complete(created)).toMatchObject({ status: 200 })

  const [put] = sent.filter(({ method }) => method === 'PUT')
  expect(put!.headers).toMatchObject({ ...HEADERS, ...ACL })
  await expectKept(created)
})

it('a policy that the store would refuse is refused when it is written', async () => {
  const path = `/v1/apps/${app.id}/policies/wrong`

  const refused = await harness.call('PUT', path, ADMIN_KEY, { object: { storageClass: 'COLD' } })

  expect(refused).toMatchObject({
    status: 400,
    body: { code: 'invalid-request', errors: [{ pointer: '/object/storageClass' }] },
  })
})

it('a policy whose values belong to another family of stores is refused, too', async () => {
  const path = `/v1/apps/${app.id}/policies/foreign`
  const object = { storageClass: 'STANDARD_IA' }

  expect(await harness.call('PUT', path, ADMIN_KEY, { object })).toMatchObject({
    status: 400,
    body: { code: 'invalid-request', errors: [{ pointer: '/object/storageClass' }] },
  })
})
