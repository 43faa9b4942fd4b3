// SHA-256 of a message that changes in places, against node:crypto.
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { nativeSha256Repeatedly } from '../../../src/bytes/sha256-native.ts'
import { sha256Repeatedly } from '../../../src/bytes/sha256-repeated.ts'

describe.each([
  ['node:crypto', nativeSha256Repeatedly],
  ['plain JavaScript', sha256Repeatedly],
])('SHA-256 by %s', (_, sha256) => {
  // Each length of the last block and of its padding, over more than two blocks.
  it.each(Array.from({ length: 150 }, (_, size) => size))('hashes %i bytes', (size) => {
    const message = new Uint8Array(size).map((_, index) => index * 31)
    const expected = createHash('sha256').update(message)
    expect(sha256(message, [])('hex')).toBe(expected.digest('hex'))
  })

  it('follows every change within the ranges that may change', () => {
    const input = fc
      .tuple(fc.integer({ min: 1, max: 400 }), fc.nat(399), fc.nat(399))
      .map(([size, a, b]) => ({ size, start: Math.min(a, b) % size, length: Math.abs(a - b) }))
      .map(({ size, start, length }) => ({ size, start, end: Math.min(size, start + length) }))
    const fills = fc.array(fc.nat(255), { minLength: 1, maxLength: 5 })
    fc.assert(
      fc.property(input, fills, ({ size, start, end }, values) => {
        const message = new Uint8Array(size).fill(7)
        const hash = sha256(message, [{ start, end }])
        for (const value of values) {
          message.fill(value, start, end)
          const expected = createHash('sha256').update(message).digest()
          expect(hash('hex')).toBe(expected.toString('hex'))
          expect(hash('binary')).toBe(expected.toString('latin1'))
        }
      }),
    )
  })
})
