// Object keys: two subjects never share one, whatever their names.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ADMIN_KEY, type Harness, startHarness } from '../support/harness.ts'

let harness: Harness
let app: { id: string; apiKey: string; keyPrefix: string }

beforeAll(async () => {
  harness = await startHarness()
  app = await harness.createApp({ keyTemplate: '{subject}/{filename}', overwrite: 'replace' })
})
afterAll(() => harness.stop())

const keyFor = async (subject: string) => {
  const body = { subject, filename: 'cv.pdf', sizeBytes: 1 }
  const { status, body: created } = await harness.call('POST', '/v1/uploads', app.apiKey, body)
  expect(status).toBe(201)
  return created.key as string
}

describe('under a template without {uploadId}', () => {
  it.each([
    ['team/alice', 'team_alice'],
    ['bob', ' bob '],
    ['Zoë'.normalize('NFC'), 'Zoë'.normalize('NFD')],
    ['who?', 'who*'],
    ['.', '_'],
    ['a=2Fb', 'a/b'],
    ['x'.repeat(254), 'x'.repeat(255)],
  ])('the subjects %j and %j have keys of their own', async (one, other) => {
    expect(await keyFor(one)).not.toBe(await keyFor(other))
  })

  it('a subject of letters, digits, "-", "_" and "." is its own segment', async () => {
    expect(await keyFor('user-1_a.B')).toBe(`${app.keyPrefix}/user-1_a.B/cv.pdf`)
    expect(await keyFor('ada@example.com')).toBe(`${app.keyPrefix}/ada=40example.com/cv.pdf`)
  })
})

describe('a policy', () => {
  const put = (policy: Record<string, unknown>) =>
    harness.call('PUT', `/v1/apps/${app.id}/policies/tried`, ADMIN_KEY, policy)

  it.each([
    [{ keyTemplate: '{subject}-{filename}' }, 'has {subject} beside other text'],
    [{ keyTemplate: 'to-{subject}/{uploadId}' }, 'has {subject} beside other text'],
    [{ keyTemplate: '{filename}', overwrite: 'replace' }, 'lets one subject replace another’s'],
    [{ keyTemplate: '{date}/{filename}', overwrite: 'replace' }, 'lets one subject replace'],
  ])('%j is refused: it %s', async (policy, detail) => {
    expect(await put(policy)).toMatchObject({
      status: 400,
      body: {
        code: 'invalid-request',
        errors: [{ pointer: '/keyTemplate', detail: expect.stringContaining(detail) }],
      },
    })
  })

  it.each([
    { overwrite: 'replace' },
    { keyTemplate: '{subject}/{filename}', overwrite: 'replace' },
    { keyTemplate: '{uploadId}-{filename}', overwrite: 'replace' },
    { keyTemplate: 'inbox/{filename}' },
  ])('%j is taken', async (policy) => {
    expect(await put(policy)).toMatchObject({ status: 200, body: { policy } })
  })
})

it('a filename that makes a key of more than 1,023 bytes is refused', async () => {
  await harness.call('PUT', `/v1/apps/${app.id}/policies/twice`, ADMIN_KEY, {
    keyTemplate: '{filename}/{filename}',
  })
  const filename = '文'.repeat(255)
  const body = { subject: 'ada', policy: 'twice', filename, sizeBytes: 1 }
  expect(await harness.call('POST', '/v1/uploads', app.apiKey, body)).toMatchObject({
    status: 400,
    body: { code: 'invalid-request', errors: [{ pointer: '/filename' }] },
  })
})
