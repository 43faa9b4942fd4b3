// CRC-64/XZ (x-oss-hash-crc64ecma) at disk speed: sixteen tables in two 32-bit halves, eight bytes a step;
// and its combination over concatenated bytes, as zlib does it (x^(8n) modulo the polynomial).

const POLYNOMIAL = 0xc96c5795d7870f42n
const TABLES = 8

function buildTables() {
  const low = new Int32Array(TABLES * 256)
  const high = new Int32Array(TABLES * 256)
  for (let byte = 0; byte < 256; byte++) {
    let value = BigInt(byte)
    for (let bit = 0; bit < 8; bit++) value = value & 1n ? (value >> 1n) ^ POLYNOMIAL : value >> 1n
    low[byte] = Number(value & 0xffffffffn)
    high[byte] = Number(value >> 32n)
  }
  for (let index = 256; index < TABLES * 256; index++) {
    const l = low[index - 256]!
    const h = high[index - 256]!
    low[index] = low[l & 255]! ^ ((l >>> 8) | (h << 24))
    high[index] = high[l & 255]! ^ (h >>> 8)
  }
  return { low, high }
}

export interface Crc64 {
  update(bytes: Uint8Array): void
  value(): bigint
}

/** A running checksum. The tables are built once, at the first call. */
export function crc64(): Crc64 {
  const { low: L, high: H } = tables()
  let low = -1
  let high = -1

  function update(bytes: Uint8Array): void {
    const aligned = bytes.length & ~7
    let l = low
    let h = high
    let at = 0
    for (; at < aligned; at += 8) {
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
    low = l
    high = h
  }

  const value = () => (BigInt(~high >>> 0) << 32n) | BigInt(~low >>> 0)
  return { update, value }
}

let built: ReturnType<typeof buildTables> | undefined
function tables() {
  built ??= buildTables()
  return built
}

/** Checksum of a concatenation from the checksums and lengths of its pieces, in order. */
export function foldCrc64(pieces: ReadonlyArray<{ crc64: bigint; sizeBytes: number }>): bigint {
  const operators = new Map<number, bigint>()
  return pieces.reduce((sum, piece) => {
    const operator = operators.get(piece.sizeBytes) ?? shiftOf(piece.sizeBytes)
    operators.set(piece.sizeBytes, operator)
    return multiply(operator, sum) ^ piece.crc64
  }, 0n)
}

/** Product modulo the polynomial; bit 63 is x^0, because the checksum is reflected. */
function multiply(a: bigint, b: bigint): bigint {
  let product = 0n
  let factor = b
  for (let bit = 1n << 63n; bit > 0n; bit >>= 1n) {
    if (a & bit) product ^= factor
    factor = factor & 1n ? (factor >> 1n) ^ POLYNOMIAL : factor >> 1n
  }
  return product
}

/** x^(8 · sizeBytes). */
function shiftOf(sizeBytes: number): bigint {
  let result = 1n << 63n
  let power = 1n << 55n
  for (let rest = sizeBytes; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) result = multiply(result, power)
    power = multiply(power, power)
  }
  return result
}
