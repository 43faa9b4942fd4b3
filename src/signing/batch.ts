// Signatures of many canonical requests that differ in a few short values: HMAC-SHA256 of a string to sign that ends with the hash of
// the request, as OSS V4 and AWS Signature V4 have it. A signer of either brings the texts; nothing here knows their form.
// Source: RFC 2104 (HMAC).
import { utf8 } from '../bytes/encoding.ts'
import { fastSha256Repeatedly } from '../bytes/sha256-native.ts'
import type { HashRepeatedly } from '../bytes/sha256-repeated.ts'

const BLOCK = 64
const DIGEST_BYTES = 32
/** More than the lengths of part numbers and sizes make; beyond it they are worked out anew. */
const MAX_LAYOUTS = 64

export interface BatchPlan {
  /** Not longer than a block of SHA-256, as a derived key is. */
  signingKey: Uint8Array
  /** The string to sign up to the hash of the canonical request. */
  stringToSignHead: string
  /** SHA-256 of this runtime unless given. */
  sha256?: HashRepeatedly
}

/** A text with gaps: `literals[0]`, the value of `gaps[0]`, `literals[1]`, and so on; one literal more than gaps. */
export interface Template {
  literals: readonly string[]
  /** Indices of values. */
  gaps: readonly number[]
}

/** Returns the signature of the filled template in hex. */
export type SignFilled = (values: readonly string[]) => string

/** The characters are bytes. Returns all their bits, so that more than 127 tells of one beyond ASCII. */
function write(into: Uint8Array, at: number, text: string): number {
  let bits = 0
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    into[at + index] = code
    bits |= code
  }
  return bits
}

/** HMAC-SHA256 of `head` and 64 more characters. */
function hmacOf({ signingKey, stringToSignHead, sha256 }: Required<BatchPlan>) {
  const head = utf8(stringToSignHead)
  const inner = new Uint8Array(BLOCK + head.length + 2 * DIGEST_BYTES).fill(0x36, 0, BLOCK)
  const outer = new Uint8Array(BLOCK + DIGEST_BYTES).fill(0x5c, 0, BLOCK)
  for (const [index, byte] of signingKey.entries()) {
    inner[index]! ^= byte
    outer[index]! ^= byte
  }
  const end = BLOCK + head.length
  inner.set(head, BLOCK)
  const innerHash = sha256(inner, [{ start: end, end: inner.length }])
  const outerHash = sha256(outer, [{ start: BLOCK, end: outer.length }])
  return (requestHash: string): string => {
    write(inner, end, requestHash)
    write(outer, BLOCK, innerHash('binary'))
    return outerHash('hex')
  }
}

/** The bytes of a template whose values have these lengths. */
function layOut({ literals, gaps }: Template, values: readonly string[], sha256: HashRepeatedly) {
  const texts = literals.map(utf8)
  const starts: number[] = []
  let size = texts[0]!.length
  for (const [index, gap] of gaps.entries()) {
    starts.push(size)
    size += values[gap]!.length + texts[index + 1]!.length
  }
  const message = new Uint8Array(size)
  message.set(texts[0]!)
  const changing = starts.map((start, index) => {
    const end = start + values[gaps[index]!]!.length
    message.set(texts[index + 1]!, end)
    return { start, end }
  })
  return { message, starts, hash: sha256(message, changing) }
}

/**
 * Returns a function that prepares a template, which in turn returns the signer of its values. Pure: the same input has the same
 * result, and every call is synchronous.
 *
 * ```ts
 * const sign = planBatch({ signingKey, stringToSignHead })({ literals: ['PUT\n/a/b\npartNumber=', '&…'], gaps: [0] })
 * const signature = sign(['1'])
 * ```
 */
export function planBatch({ sha256 = fastSha256Repeatedly, ...plan }: BatchPlan) {
  const hmac = hmacOf({ ...plan, sha256 })

  return (template: Template): SignFilled => {
    const { literals, gaps } = template
    const layouts = new Map<string, ReturnType<typeof layOut>>()

    function layoutFor(values: readonly string[]) {
      let lengths = ''
      for (const gap of gaps) lengths += `${values[gap]!.length},`
      let layout = layouts.get(lengths)
      if (!layout) {
        if (layouts.size === MAX_LAYOUTS) layouts.clear()
        layout = layOut(template, values, sha256)
        layouts.set(lengths, layout)
      }
      return layout
    }

    /** For values beyond ASCII, whose bytes are more than their characters. */
    function hashWhole(values: readonly string[]): string {
      const text = literals.map(
        (literal, index) => (index ? values[gaps[index - 1]!] : '') + literal,
      )
      return sha256(utf8(text.join('')), [])('hex')
    }

    return (values) => {
      const { message, starts, hash } = layoutFor(values)
      let bits = 0
      for (let index = 0; index < gaps.length; index++) {
        bits |= write(message, starts[index]!, values[gaps[index]!]!)
      }
      return hmac(bits > 127 ? hashWhole(values) : hash('hex'))
    }
  }
}
