// Checksums by algorithm: those that a store reports, and the one that a client declares as `algorithm:value`.
import { combineCrc64 } from '../bytes/crc64.ts'

export type ChecksumAlgorithm = 'crc64' | 'crc64nvme' | 'crc32' | 'crc32c' | 'sha256' | 'md5'

/** An algorithm that the store does not report is missing. A CRC64 is an unsigned decimal, every other value is Base64. */
export type Checksums = Partial<Record<ChecksumAlgorithm, string>>

type Combine = (first: string, second: string, secondBytes: number) => string

/** Algorithms whose value for joined bytes follows from the values of the pieces. */
const COMBINE: Partial<Record<ChecksumAlgorithm, Combine>> = {
  crc64: (first, second, secondBytes) =>
    combineCrc64(BigInt(first), BigInt(second), secondBytes).toString(),
}

/** Of every algorithm that combines. */
export const CHECKSUMS_OF_NO_BYTES: Checksums = { crc64: '0' }

/** Checksums of the first bytes followed by the second, by the algorithms that both have and that combine. */
export function combineChecksums(
  first: Checksums,
  second: Checksums,
  secondBytes: number,
): Checksums {
  const combined: Checksums = {}
  for (const [name, combine] of Object.entries(COMBINE)) {
    const algorithm = name as ChecksumAlgorithm
    const [a, b] = [first[algorithm], second[algorithm]]
    if (a !== undefined && b !== undefined) combined[algorithm] = combine(a, b, secondBytes)
  }
  return combined
}

/** Reads `algorithm:value`, as the contract admits it. A CRC64 loses the leading zeros that no store writes. */
export function readChecksum(declared: string | undefined): Checksums {
  if (declared === undefined) return {}
  const [algorithm, value] = declared.split(':') as [ChecksumAlgorithm, string]
  return { [algorithm]: algorithm === 'crc64' ? BigInt(value).toString() : value }
}

/** Writes each as `algorithm:value`. */
export const checksumTexts = (checksums: Checksums): string[] =>
  Object.entries(checksums).map(([algorithm, value]) => `${algorithm}:${value}`)

/** The stored checksum, as text, that differs from the expected one. Only algorithms that both know are compared. */
export function contradiction(expected: Checksums, stored: Checksums): string | undefined {
  for (const [algorithm, value] of Object.entries(expected)) {
    const found = stored[algorithm as ChecksumAlgorithm]
    if (found !== undefined && found !== value) return `${algorithm}:${found}`
  }
  return undefined
}
