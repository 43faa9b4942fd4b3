// What is remembered of a token: that its signature held, for a minute, under these keys, and never beyond its expiry.
import { beforeEach, expect, it, vi } from 'vitest'
import { openRemembered } from '../../../src/auth/opened-tokens.ts'
import { deriveTokenKeys, mintToken } from '../../../src/core/token.ts'
import { masterKey } from '../../support/harness.ts'

const now = new Date('2026-04-01T08:09:10Z')
const later = (ms: number) => new Date(now.getTime() + ms)
const claims = (exp = later(3_600_000), upload = 'upl_1') => ({
  ...{ app: 'app_1', upload, origins: ['https://a.test'] },
  exp: Math.floor(exp.getTime() / 1000),
})

let keys: Awaited<ReturnType<typeof deriveTokenKeys>>
const verify = vi.spyOn(crypto.subtle, 'verify')

beforeEach(async () => {
  keys = await deriveTokenKeys([masterKey('k1')])
  verify.mockClear()
})

const open = (token: string, at = now) => openRemembered(keys, 'completion', token, at)

it('verifies a token once a minute', async () => {
  const token = await mintToken(keys, 'completion', claims())
  expect(await open(token)).toEqual(claims())
  expect(await open(token, later(59_999))).toEqual(claims())
  expect(verify.mock.calls.length).toBe(1)
  expect(await open(token, later(60_000))).toEqual(claims())
  expect(verify.mock.calls.length).toBe(2)
})

it('remembers nothing beyond the expiry', async () => {
  const token = await mintToken(keys, 'completion', claims(later(10_000)))
  await open(token)
  await open(token, later(9_999))
  expect(verify.mock.calls.length).toBe(1)
  await open(token, later(10_000))
  await open(token, later(10_001))
  expect(verify.mock.calls.length).toBe(3)
})

it('refuses a known token with any other signature', async () => {
  const token = await mintToken(keys, 'completion', claims())
  await open(token)
  const head = token.slice(0, token.lastIndexOf('.'))
  expect(await open(`${head}.${'A'.repeat(43)}`)).toBeUndefined()
})

it('forgets with the keys, and knows kinds apart', async () => {
  const token = await mintToken(keys, 'completion', claims())
  await open(token)
  expect(await openRemembered(keys, 'upload', token, now)).toBeUndefined()
  keys = await deriveTokenKeys([masterKey('k2')])
  expect(await open(token)).toBeUndefined()
})

it('hands out claims that a caller may change', async () => {
  const token = await mintToken(keys, 'completion', claims())
  await open(token)
  ;(await open(token))!.origins!.push('https://b.test')
  expect(await open(token)).toEqual(claims())
})

it('remembers at most a thousand, and drops the oldest', async () => {
  const tokens: string[] = []
  for (let index = 0; index <= 1000; index++) {
    tokens.push(await mintToken(keys, 'completion', claims(undefined, `upl_${index}`)))
    await open(tokens[index]!)
  }
  verify.mockClear()
  await open(tokens[1]!)
  expect(verify.mock.calls.length).toBe(0)
  await open(tokens[0]!)
  expect(verify.mock.calls.length).toBe(1)
})
