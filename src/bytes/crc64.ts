// CRC-64/XZ (reflected ECMA-182 polynomial, all ones before and after), the CRC64 of OSS, and the checksum of
// concatenated bytes from their checksums. It works on 32-bit halves, because a BigInt for each byte is slow.

/** The reflected polynomial: bit 63 is x^0. */
const POLYNOMIAL = 0xc96c5795d7870f42n
const SLICES = 8

interface Tables {
  low: Int32Array
  high: Int32Array
}

let built: Tables | undefined

/** Slice k holds the effect of a byte that k zero bytes follow. */
function buildTables(): Tables {
  const low = new Int32Array(SLICES * 256)
  const high = new Int32Array(SLICES * 256)
  for (let byte = 0; byte < 256; byte++) {
    let value = BigInt(byte)
    for (let bit = 0; bit < 8; bit++) value = timesX(value)
    low[byte] = Number(value & 0xffffffffn)
    high[byte] = Number(value >> 32n)
  }
  for (let index = 256; index < SLICES * 256; index++) {
    const l = low[index - 256]!
    const h = high[index - 256]!
    low[index] = low[l & 255]! ^ ((l >>> 8) | (h << 24))
    high[index] = high[l & 255]! ^ (h >>> 8)
  }
  return { low, high }
}

/**
 * Checksum of the bytes as an unsigned 64-bit number, which OSS writes in decimal. `previous` is the checksum of the
 * bytes before them: `crc64(b, crc64(a))` is the checksum of a followed by b.
 */
export function crc64(bytes: Uint8Array, previous = 0n): bigint {
  built ??= buildTables()
  const { low: L, high: H } = built
  const aligned = bytes.length - (bytes.length % SLICES)
  let l = ~Number(previous & 0xffffffffn)
  let h = ~Number((previous >> 32n) & 0xffffffffn)
  let at = 0
  for (; at < aligned; at += SLICES) {
    l ^= bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
    h ^= bytes[at + 4]! | (bytes[at + 5]! << 8) | (bytes[at + 6]! << 16) | (bytes[at + 7]! << 24)
    const a = 1792 + (l & 255)
    const b = 1536 + ((l >>> 8) & 255)
    const c = 1280 + ((l >>> 16) & 255)
    const d = 1024 + (l >>> 24)
    const e = 768 + (h & 255)
    const f = 512 + ((h >>> 8) & 255)
    const g = 256 + ((h >>> 16) & 255)
    const i = h >>> 24
    l = L[a]! ^ L[b]! ^ L[c]! ^ L[d]! ^ L[e]! ^ L[f]! ^ L[g]! ^ L[i]!
    h = H[a]! ^ H[b]! ^ H[c]! ^ H[d]! ^ H[e]! ^ H[f]! ^ H[g]! ^ H[i]!
  }
  for (; at < bytes.length; at++) {
    const index = (l ^ bytes[at]!) & 255
    l = ((l >>> 8) | (h << 24)) ^ L[index]!
    h = (h >>> 8) ^ H[index]!
  }
  return (BigInt(~h >>> 0) << 32n) | BigInt(~l >>> 0)
}

/**
 * Checksum of a followed by b, from the checksum of each and the length of b in bytes (an integer up to 2^53 - 1):
 * a's checksum, times x^(8 · length) modulo the polynomial, plus b's.
 */
export function combineCrc64(a: bigint, b: bigint, lengthOfB: number): bigint {
  if (!Number.isSafeInteger(lengthOfB) || lengthOfB < 0) {
    throw new TypeError('lengthOfB must be a whole number of bytes')
  }
  return multiply(shiftOf(lengthOfB), a) ^ b
}

/** The last shift, because the parts of an upload have one length. */
let lastShift = { length: 0, operator: 1n << 63n }

/** x^(8 · length) modulo the polynomial. */
function shiftOf(length: number): bigint {
  if (lastShift.length === length) return lastShift.operator
  let operator = 1n << 63n
  let power = 1n << 55n
  // Not by >>, which would cut the length to 32 bits.
  for (let rest = length; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) operator = multiply(operator, power)
    power = multiply(power, power)
  }
  lastShift = { length, operator }
  return operator
}

/** Product of two polynomials modulo the polynomial. */
function multiply(a: bigint, b: bigint): bigint {
  let product = 0n
  let factor = b
  for (let bit = 1n << 63n; bit > 0n; bit >>= 1n) {
    if (a & bit) product ^= factor
    factor = timesX(factor)
  }
  return product
}

const timesX = (value: bigint) => (value & 1n ? (value >> 1n) ^ POLYNOMIAL : value >> 1n)
