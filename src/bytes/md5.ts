// MD5 (RFC 1321), portable, for Content-MD5 and the signature of OSS callbacks: WebCrypto has none.
// It is broken for collisions; nothing may rely on it where another party chooses the bytes.

/** Left rotations of RFC 1321 §3.4, four for each of the four rounds. */
const ROTATIONS = [
  [7, 12, 17, 22],
  [5, 9, 14, 20],
  [4, 11, 16, 23],
  [6, 10, 15, 21],
] as const

interface Step {
  rotation: number
  word: number
  constant: number
}

let schedule: readonly Step[] | undefined

function buildSchedule(): readonly Step[] {
  return Array.from({ length: 64 }, (_, index) => ({
    rotation: ROTATIONS[index >> 4]![index & 3]!,
    word: [index, 5 * index + 1, 3 * index + 5, 7 * index][index >> 4]! & 15,
    constant: Math.floor(Math.abs(Math.sin(index + 1)) * 2 ** 32) | 0,
  }))
}

/** The 16 bytes of the digest. */
export function md5(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  schedule ??= buildSchedule()
  const whole = bytes.length - (bytes.length % 64)
  const state = Int32Array.of(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476)
  addBlocks(state, schedule, bytes.subarray(0, whole))
  addBlocks(state, schedule, lastBlocks(bytes.subarray(whole), bytes.length))
  const digest = new Uint8Array(16)
  const view = new DataView(digest.buffer)
  state.forEach((word, index) => {
    view.setInt32(index * 4, word, true)
  })
  return digest
}

/** The rest, one bit, zeros, and the length of it all in bits: RFC 1321 §3.1 and §3.2. */
function lastBlocks(rest: Uint8Array, lengthBytes: number): Uint8Array {
  const padded = new Uint8Array(rest.length < 56 ? 64 : 128)
  padded.set(rest)
  padded[rest.length] = 0x80
  const bits = BigInt(lengthBytes) * 8n
  new DataView(padded.buffer).setBigUint64(padded.length - 8, bits, true)
  return padded
}

function addBlocks(state: Int32Array, steps: readonly Step[], bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const words = new Int32Array(16)
  for (let at = 0; at < bytes.length; at += 64) {
    for (let index = 0; index < 16; index++) words[index] = view.getInt32(at + index * 4, true)
    addBlock(state, steps, words)
  }
}

function addBlock(state: Int32Array, steps: readonly Step[], words: Int32Array): void {
  let a = state[0]!
  let b = state[1]!
  let c = state[2]!
  let d = state[3]!
  for (let index = 0; index < 64; index++) {
    const { rotation, word, constant } = steps[index]!
    const sum = (a + mix(index >> 4, b, c, d) + constant + words[word]!) | 0
    a = d
    d = c
    c = b
    b = (b + ((sum << rotation) | (sum >>> (32 - rotation)))) | 0
  }
  state[0]! += a
  state[1]! += b
  state[2]! += c
  state[3]! += d
}

/** F, G, H and I of RFC 1321 §3.4. */
function mix(round: number, b: number, c: number, d: number): number {
  if (round === 0) return (b & c) | (~b & d)
  if (round === 1) return (b & d) | (c & ~d)
  if (round === 2) return b ^ c ^ d
  return c ^ (b | ~d)
}
