// The message to an operator about keys that rows name and SECRET_KEYS lacks.
import { expect, it } from 'vitest'
import { type SealedCount, unlistedKeys } from '../../../src/core/ports/sealed.ts'

const counted = (
  kid: string,
  kind: SealedCount['kind'],
  count: number,
  key: SealedCount['key'],
): SealedCount => ({ kid, kind, count, key })

it('says nothing while every key is listed', () => {
  const counts = [
    counted('k2', 'issuer', 3, 'first'),
    counted('k1', 'webhook endpoint', 2, 'later'),
  ]

  expect([unlistedKeys([]), unlistedKeys(counts)]).toEqual([undefined, undefined])
})

it('names each key, how many rows of which kind name it, and what to do', () => {
  const counts = [
    counted('k1', 'issuer', 3, 'unlisted'),
    counted('k1', 'webhook endpoint', 1, 'unlisted'),
    counted('k2', 'issuer', 1, 'unlisted'),
    counted('k3', 'issuer', 9, 'first'),
  ]

  expect(unlistedKeys(counts)).toBe(
    'lacks the keys "k1" (the secrets of 3 issuers and 1 webhook endpoint are sealed with it)' +
      ' and "k2" (the secrets of 1 issuer are sealed with it).' +
      ' List them again behind the others, run "countersign keys reseal", and only then remove them (docs/operations.md).',
  )
})
