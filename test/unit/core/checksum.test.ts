import { describe, expect, it } from 'vitest'
import { crc64 } from '../../../src/bytes/crc64.ts'
import {
  CHECKSUMS_OF_NO_BYTES,
  type Checksums,
  checksumTexts,
  combineChecksums,
  contradiction,
  readChecksum,
} from '../../../src/core/checksum.ts'

const bytes = (text: string) => new TextEncoder().encode(text)
const sum = (text: string): Checksums => ({ crc64: crc64(bytes(text)).toString() })

describe('a declared checksum', () => {
  it.each([
    [undefined, {}],
    ['crc64:42', { crc64: '42' }],
    ['crc64:0042', { crc64: '42' }],
    ['sha256:AA+/==', { sha256: 'AA+/==' }],
  ])('%s is read by its algorithm', (declared, read) => {
    expect(readChecksum(declared)).toEqual(read)
  })

  it('is written as it was read', () => {
    expect(checksumTexts({ crc64: '42', sha256: 'AA==' })).toEqual(['crc64:42', 'sha256:AA=='])
  })
})

describe('checksums', () => {
  const stored = { crc64: '42', crc32c: 'AAAA' }

  it.each([
    [{}, undefined],
    [{ crc64: '42' }, undefined],
    [{ sha256: 'AA==' }, undefined],
    [{ crc64: '43' }, 'crc64:42'],
    [{ crc64: '42', crc32c: 'BBBB' }, 'crc32c:AAAA'],
  ])('%j differ by %j, of what both know', (expected, found) => {
    expect(contradiction(expected, stored)).toBe(found)
  })

  it('of pieces combine to those of the whole', () => {
    const first = combineChecksums(CHECKSUMS_OF_NO_BYTES, sum('abc'), 3)

    expect(first).toEqual(sum('abc'))
    expect(combineChecksums(first, sum('de'), 2)).toEqual(sum('abcde'))
  })

  it('of pieces lose an algorithm that one of them lacks, or that does not combine', () => {
    expect(combineChecksums(sum('abc'), { sha256: 'AA==' }, 2)).toEqual({})
    expect(combineChecksums({ sha256: 'AA==' }, { sha256: 'AA==' }, 2)).toEqual({})
  })
})
