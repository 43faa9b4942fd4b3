// SHA-256 of one message again and again, while a few of its bytes change. What never changes is worked out once: the state after the
// first blocks, and the message schedule of every later block. In plain JavaScript, for runtimes whose native hash is slower.
// Source: FIPS 180-4, §5 and §6.2.
import { HEX } from './encoding.ts'

/** Hashes the message as its bytes are now. `binary` has one character a byte. */
export type RepeatedHash = (encoding: 'hex' | 'binary') => string

/** From `start` up to, but not including, `end`. */
export interface ByteRange {
  start: number
  end: number
}

/** Makes the hash of a message, of which only the bytes in `changing` may be written to later. */
export type HashRepeatedly = (message: Uint8Array, changing: readonly ByteRange[]) => RepeatedHash

const BLOCK = 64

/** The first 32 bits of the fractional parts of a root, which FIPS 180-4 takes its constants from. */
const fraction = (root: number): number => ((root % 1) * 2 ** 32) | 0

const PRIMES = Array.from({ length: 310 }, (_, index) => index + 2).filter((candidate) => {
  for (let divisor = 2; divisor * divisor <= candidate; divisor++) {
    if (candidate % divisor === 0) return false
  }
  return true
})
const INITIAL = Int32Array.from(PRIMES.slice(0, 8), (prime) => fraction(Math.sqrt(prime)))
const ROUND = Int32Array.from(PRIMES.slice(0, 64), (prime) => fraction(Math.cbrt(prime)))

/** The message schedule of the block at `start`, with the round constants added. */
function schedule(padded: DataView, start: number, into: Int32Array): Int32Array {
  for (let t = 0; t < 16; t++) into[t] = padded.getInt32(start + t * 4)
  for (let t = 16; t < 64; t++) {
    const x = into[t - 15]!
    const y = into[t - 2]!
    const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3)
    const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10)
    into[t] = (into[t - 16]! + s0 + into[t - 7]! + s1) | 0
  }
  for (let t = 0; t < 64; t++) into[t] = (into[t]! + ROUND[t]!) | 0
  return into
}

/** The 64 rounds of one block. */
function compress(state: Int32Array, words: Int32Array): void {
  let a = state[0]!
  let b = state[1]!
  let c = state[2]!
  let d = state[3]!
  let e = state[4]!
  let f = state[5]!
  let g = state[6]!
  let h = state[7]!
  for (let t = 0; t < 64; t++) {
    const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7))
    const t1 = (h + s1 + (g ^ (e & (f ^ g))) + words[t]!) | 0
    const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10))
    const t2 = (s0 + ((a & b) | (c & (a | b)))) | 0
    h = g
    g = f
    f = e
    e = (d + t1) | 0
    d = c
    c = b
    b = a
    a = (t1 + t2) | 0
  }
  state[0] = state[0]! + a
  state[1] = state[1]! + b
  state[2] = state[2]! + c
  state[3] = state[3]! + d
  state[4] = state[4]! + e
  state[5] = state[5]! + f
  state[6] = state[6]! + g
  state[7] = state[7]! + h
}

function hexOf(state: Int32Array): string {
  let text = ''
  for (const word of state) {
    text +=
      HEX[word >>> 24]! + HEX[(word >>> 16) & 255]! + HEX[(word >>> 8) & 255]! + HEX[word & 255]!
  }
  return text
}

function binaryOf(state: Int32Array): string {
  let text = ''
  for (const word of state) {
    text += String.fromCharCode(word >>> 24, (word >>> 16) & 255, (word >>> 8) & 255, word & 255)
  }
  return text
}

/** Pure but for the scratch space of each hash, which no two calls use at once because they are synchronous. */
export const sha256Repeatedly: HashRepeatedly = (message, changing) => {
  // A bit 1, zeros, and the length in bits as 64-bit big-endian fill the last block.
  const blockCount = Math.ceil((message.length + 9) / BLOCK)
  const bytes = new Uint8Array(blockCount * BLOCK)
  bytes.set(message)
  bytes[message.length] = 0x80
  const padded = new DataView(bytes.buffer)
  padded.setBigUint64(bytes.length - 8, BigInt(message.length) * 8n)

  const isFixed = (start: number) =>
    !changing.some((range) => range.start < start + BLOCK && range.end > start)
  const afterPrefix = INITIAL.slice()
  const scratch = new Int32Array(64)
  let first = 0
  while (first < blockCount && isFixed(first * BLOCK)) {
    compress(afterPrefix, schedule(padded, first * BLOCK, scratch))
    first++
  }
  const blocks = Array.from({ length: blockCount - first }, (_, index) => {
    const start = (first + index) * BLOCK
    return {
      start,
      words: isFixed(start) ? schedule(padded, start, new Int32Array(64)) : undefined,
    }
  })

  const state = new Int32Array(8)
  return (encoding) => {
    for (const { start, end } of changing) {
      for (let at = start; at < end; at++) bytes[at] = message[at]!
    }
    state.set(afterPrefix)
    for (const { start, words } of blocks)
      compress(state, words ?? schedule(padded, start, scratch))
    return encoding === 'hex' ? hexOf(state) : binaryOf(state)
  }
}
