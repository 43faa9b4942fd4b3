// The operator's list of apps, which `countersign bucket` reads.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { ADMIN_KEY, type Harness, startHarness } from '../support/harness.ts'

let harness: Harness
beforeAll(async () => {
  harness = await startHarness()
})
afterAll(() => harness.stop())

it('comes newest first and in pages, without keys or policies', async () => {
  const list = (query: string) => harness.call('GET', `/v1/apps${query}`, ADMIN_KEY)
  expect(await list('')).toMatchObject({ status: 200, body: { apps: [] } })
  for (const [name, allowedOrigins] of [
    ['one', undefined],
    ['two', ['https://two.example']],
    ['three', []],
  ] as const) {
    await harness.call('POST', '/v1/apps', ADMIN_KEY, { name, keyPrefix: name, allowedOrigins })
  }

  const first = (await list('?limit=2')).body
  const second = (await list(`?limit=2&cursor=${first.nextCursor}`)).body

  expect(first.apps).toEqual([
    { id: expect.any(String), name: 'three', keyPrefix: 'three', allowedOrigins: [] },
    {
      id: expect.any(String),
      name: 'two',
      keyPrefix: 'two',
      allowedOrigins: ['https://two.example'],
    },
  ])
  expect(second.apps).toMatchObject([{ name: 'one', keyPrefix: 'one', allowedOrigins: ['*'] }])
  expect(second.nextCursor).toBeUndefined()
  for (const query of ['?limit=0', '?limit=101', '?state=open']) {
    expect(await list(query)).toMatchObject({ status: 400, body: { code: 'invalid-request' } })
  }
})
