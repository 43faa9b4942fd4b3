// CRC-64/XZ against the vectors of Alibaba's SDKs, and its algebraic laws.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { combineCrc64, crc64 } from '../../../src/bytes/crc64.ts'
import { utf8 } from '../../../src/bytes/encoding.ts'
import vectors from '../../vectors/oss-crc64.json' with { type: 'json' }

/** The vectors describe their inputs in words. */
function inputOf(text: string): Uint8Array {
  if (text === 'empty byte string') return new Uint8Array()
  if (text === '102400 zero bytes') return new Uint8Array(102_400)
  if (text === 'bytes 0x00..0xff') return Uint8Array.from({ length: 256 }, (_, index) => index)
  const ascii = /^ASCII:? (.*)$/.exec(text)?.[1]
  if (ascii === undefined) throw new Error(`an input this test cannot make: ${text}`)
  return utf8(ascii)
}

const joined = (...pieces: Uint8Array[]) => Uint8Array.from(pieces.flatMap((piece) => [...piece]))

const anyBytes = fc.uint8Array({ maxLength: 300 })

describe('crc64', () => {
  it.each(vectors.checksums)('$id', ({ input, length, crc64_hex, crc64_decimal }) => {
    const bytes = inputOf(input)

    const sum = crc64(bytes)

    expect(bytes.length).toBe(length)
    expect(sum.toString()).toBe(crc64_decimal)
    expect(sum.toString(16).padStart(16, '0')).toBe(crc64_hex)
  })

  it('continues from a finished checksum at every split', () => {
    fc.assert(
      fc.property(anyBytes, fc.nat(300), (bytes, split) => {
        const continued = crc64(bytes.subarray(split), crc64(bytes.subarray(0, split)))

        expect(continued).toBe(crc64(bytes))
      }),
    )
  })

  it('reads a view at an odd offset', () => {
    const bytes = joined(utf8('x'), utf8('123456789'))

    expect(crc64(bytes.subarray(1))).toBe(0x995dc9bbdf1939fan)
  })
})

describe('combineCrc64', () => {
  it.each(vectors.combine)('$id', ({ part1, part2, crc1, crc2, len2, combined }) => {
    const first = inputOf(part1)
    const second = inputOf(part2)

    expect(crc64(first).toString()).toBe(crc1)
    expect(crc64(second).toString()).toBe(crc2)
    expect(second.length).toBe(len2)
    expect(combineCrc64(BigInt(crc1), BigInt(crc2), len2).toString()).toBe(combined)
    expect(crc64(joined(first, second)).toString()).toBe(combined)
  })

  it('is the checksum of the concatenation', () => {
    fc.assert(
      fc.property(anyBytes, anyBytes, (a, b) => {
        expect(combineCrc64(crc64(a), crc64(b), b.length)).toBe(crc64(joined(a, b)))
      }),
    )
  })

  it('is associative for lengths beyond 32 bits', () => {
    const sum = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
    const length = fc.integer({ min: 0, max: 2 ** 52 - 1 })
    fc.assert(
      fc.property(sum, sum, sum, length, length, (a, b, c, lengthOfB, lengthOfC) => {
        const left = combineCrc64(combineCrc64(a, b, lengthOfB), c, lengthOfC)
        const right = combineCrc64(a, combineCrc64(b, c, lengthOfC), lengthOfB + lengthOfC)

        expect(left).toBe(right)
      }),
      { numRuns: 20 },
    )
  })

  it.each([-1, 1.5, Number.NaN, 2 ** 53])('refuses a length of %s', (length) => {
    expect(() => combineCrc64(1n, 2n, length)).toThrow(TypeError)
  })
})
