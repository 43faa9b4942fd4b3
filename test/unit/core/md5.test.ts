// MD5 against the test suite of RFC 1321 §A.5, and against Node's MD5 at every length around a block.
import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { base64, hex, utf8 } from '../../../src/bytes/encoding.ts'
import { md5 } from '../../../src/bytes/md5.ts'

describe('md5', () => {
  it.each([
    ['', 'd41d8cd98f00b204e9800998ecf8427e'],
    ['a', '0cc175b9c0f1b6a831c399e269772661'],
    ['abc', '900150983cd24fb0d6963f7d28e17f72'],
    ['message digest', 'f96b697d7cb7938d525a2f31aaf161d0'],
    ['abcdefghijklmnopqrstuvwxyz', 'c3fcd3d76192e4007dfb496cca67e13b'],
    [
      'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789',
      'd174ab98d277d9f5a5611c2c9f419d9f',
    ],
    [
      '12345678901234567890123456789012345678901234567890123456789012345678901234567890',
      '57edf4a22be3c955ac49da2e2107b67a',
    ],
  ])('RFC 1321 §A.5: %j', (text, expected) => {
    expect(hex(md5(utf8(text)))).toBe(expected)
  })

  it('agrees with Node for 0 to 200 bytes, read from a view at an odd offset', () => {
    const pool = Uint8Array.from({ length: 201 }, (_, index) => (index * 151) & 255)
    for (let length = 0; length <= 200; length++) {
      const bytes = pool.subarray(1, 1 + length)

      expect(hex(md5(bytes))).toBe(createHash('md5').update(bytes).digest('hex'))
    }
  })

  it('makes the Content-MD5 of an empty body', () => {
    expect(base64(md5(new Uint8Array()))).toBe('1B2M2Y8AsgTpgAmY7PhCfg==')
  })
})
