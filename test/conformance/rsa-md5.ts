// RSASSA-PKCS1-v1_5 with MD5: what every runtime's own implementation must accept and refuse.
import {
  constants,
  createHash,
  createSign,
  generateKeyPairSync,
  type KeyObject,
  privateEncrypt,
} from 'node:crypto'
import { expect, it } from 'vitest'
import { fromBase64, hex, utf8 } from '../../src/bytes/encoding.ts'
import vectors from '../vectors/oss-callback.json' with { type: 'json' }

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 1024 })
const SIZE_BYTES = 128
const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString()
const message = utf8('/index.php?id=1&index=2\nbucket=yonghu-test')
const good = bytes(createSign('md5').update(message).sign(privateKey))

const DIGEST_INFO = '3020300c06082a864886f70d020505000410'
const digest = createHash('md5').update(message).digest('hex')

function bytes(buffer: Uint8Array): Uint8Array {
  return Uint8Array.from(buffer)
}

/** The block, raised to the private exponent: what a forger with the key could make of any padding. */
function signBlock(block: string, key: KeyObject = privateKey): Uint8Array {
  const raw = Buffer.from(block, 'hex')
  return bytes(privateEncrypt({ key, padding: constants.RSA_NO_PADDING }, raw))
}

/** A whole block with `tail` at its end and as much `fill` as there is room for. */
function block(start: string, fill: string, tail: string): string {
  const room = SIZE_BYTES - (start.length + tail.length) / 2
  return start + fill.repeat(room) + tail
}

function flipped(signature: Uint8Array, index: number): Uint8Array {
  return signature.map((byte, at) => (at === index ? byte ^ 1 : byte))
}

/** Modulus of the key, big-endian, without the sign byte. */
function modulusOf(key: KeyObject): Uint8Array {
  const { n } = key.export({ format: 'jwk' })
  return bytes(Buffer.from(n!, 'base64url'))
}

function plus(left: Uint8Array, right: Uint8Array): bigint {
  return BigInt(`0x${hex(left)}`) + BigInt(`0x${hex(right)}`)
}

const forgeries: Array<[string, string]> = [
  ['garbage behind the digest', block('0001', 'ff', `00${DIGEST_INFO}${digest}00`)],
  [
    'eight bytes of padding and garbage behind the digest (Bleichenbacher 2006)',
    `0001${'ff'.repeat(8)}00${DIGEST_INFO}${digest}`.padEnd(SIZE_BYTES * 2, '0'),
  ],
  ['a padding byte that is not FF', block('0001fe', 'ff', `00${DIGEST_INFO}${digest}`)],
  ['padding of zeros', block('0001', '00', `00${DIGEST_INFO}${digest}`)],
  ['block type 0', block('0000', 'ff', `00${DIGEST_INFO}${digest}`)],
  ['block type 2', block('0002', 'ff', `00${DIGEST_INFO}${digest}`)],
  ['no zero before the DigestInfo', block('0001', 'ff', `${DIGEST_INFO}${digest}`)],
  ['a bare digest without DigestInfo', block('0001', 'ff', `00${digest}`)],
  [
    'DigestInfo without the NULL parameters',
    block('0001', 'ff', `00301e300a06082a864886f70d02050410${digest}`),
  ],
  [
    'a DigestInfo length in the long form',
    block('0001', 'ff', `003081${DIGEST_INFO.slice(2)}${digest}`),
  ],
  [
    'garbage in the parameters of the DigestInfo',
    block('0001', 'ff', `003024301006082a864886f70d02050404010203040410${digest}`),
  ],
  [
    'the DigestInfo of SHA-1 around an MD5 digest',
    block('0001', 'ff', `00301d300906052b0e03021a05000410${digest}`),
  ],
]

const RFC_BLOCK = block('0001', 'ff', `00${DIGEST_INFO}${digest}`)

export type Verify = (
  publicKeyPem: string,
  message: Uint8Array,
  signature: Uint8Array,
) => Promise<boolean>

/** Call it within a `describe`. `verify` rejects where the implementation throws. */
export function verifiesRsaMd5(verify: Verify): void {
  it.each(vectors.vectors)('$id', async ({ request, public_key_pem_ref, expected }) => {
    const key = vectors.public_keys[public_key_pem_ref as keyof typeof vectors.public_keys].pem
    const signature = fromBase64(request.headers.authorization)!

    expect(await verify(key, utf8(expected.string_to_sign), signature)).toBe(
      expected.signature_valid,
    )
  })

  it.each([512, 1024, 1032, 2048, 4096])(
    'accepts a signature of %i bits',
    async (modulusLength) => {
      const pair = generateKeyPairSync('rsa', { modulusLength })
      const key = pair.publicKey.export({ type: 'spki', format: 'pem' }).toString()
      const signature = bytes(createSign('md5').update(message).sign(pair.privateKey))

      expect(await verify(key, message, signature)).toBe(true)
      expect(await verify(key, message, flipped(signature, 5))).toBe(false)
    },
  )

  it('accepts a public exponent of 3', async () => {
    const pair = generateKeyPairSync('rsa', { modulusLength: 1024, publicExponent: 3 })
    const key = pair.publicKey.export({ type: 'spki', format: 'pem' }).toString()

    expect(
      await verify(key, message, bytes(createSign('md5').update(message).sign(pair.privateKey))),
    ).toBe(true)
  })

  it('accepts an empty message, and a key with CRLF and no newline at its end', async () => {
    const empty = new Uint8Array()
    const signature = bytes(createSign('md5').update(empty).sign(privateKey))

    expect(await verify(pem, empty, signature)).toBe(true)
    expect(await verify(pem.trim().replaceAll('\n', '\r\n'), empty, signature)).toBe(true)
  })

  it('accepts the block that these tests forge from, when it is whole', async () => {
    expect(signBlock(RFC_BLOCK)).toEqual(good)
    expect(await verify(pem, message, signBlock(RFC_BLOCK))).toBe(true)
  })

  it.each(forgeries)('refuses %s', async (_, forged) => {
    expect(forged).toHaveLength(SIZE_BYTES * 2)
    expect(await verify(pem, message, signBlock(forged))).toBe(false)
  })

  it('refuses another message, another digest and another key', async () => {
    const other = generateKeyPairSync('rsa', { modulusLength: 1024 })

    expect(await verify(pem, utf8('x'), good)).toBe(false)
    expect(
      await verify(pem, message, bytes(createSign('sha1').update(message).sign(privateKey))),
    ).toBe(false)
    expect(
      await verify(pem, message, bytes(createSign('md5').update(message).sign(other.privateKey))),
    ).toBe(false)
  })

  it('refuses a change of any one byte', async () => {
    for (let index = 0; index < SIZE_BYTES; index++) {
      expect(await verify(pem, message, flipped(good, index))).toBe(false)
    }
  })

  it.each([
    ['empty', new Uint8Array()],
    ['one byte short', good.subarray(1)],
    ['cut at the end', good.subarray(0, SIZE_BYTES - 1)],
    ['one byte long', Uint8Array.of(...good, 0)],
    ['with a leading zero', Uint8Array.of(0, ...good)],
    ['doubled', Uint8Array.of(...good, ...good)],
    ['of zeros', new Uint8Array(SIZE_BYTES)],
    ['of one', Uint8Array.from({ length: SIZE_BYTES }, (_, at) => Number(at === SIZE_BYTES - 1))],
    ['of all ones, above the modulus', new Uint8Array(SIZE_BYTES).fill(255)],
    ['equal to the modulus', modulusOf(publicKey)],
  ])('refuses a signature %s', async (_, signature) => {
    expect(await verify(pem, message, signature)).toBe(false)
  })

  it('refuses a good signature plus the modulus, which has the same power', async () => {
    let tried = 0
    for (let salt = 0; tried === 0; salt++) {
      const text = utf8(`message ${salt}`)
      const signature = bytes(createSign('md5').update(text).sign(privateKey))
      const sum = plus(signature, modulusOf(publicKey)).toString(16)
      // Only a sum that still fits the length is the case in question.
      if (sum.length > SIZE_BYTES * 2) continue
      tried++

      expect(await verify(pem, text, bytes(Buffer.from(sum, 'hex')))).toBe(false)
    }
  })

  it('accepts a signature that begins with zero, and only at its full length', async () => {
    for (let salt = 0, found = false; !found; salt++) {
      const text = utf8(`message ${salt}`)
      const signature = bytes(createSign('md5').update(text).sign(privateKey))
      found = signature[0] === 0
      if (!found) continue

      expect(await verify(pem, text, signature)).toBe(true)
      expect(await verify(pem, text, signature.subarray(1))).toBe(false)
    }
  })

  it.each([
    ['nothing', ''],
    ['text', 'not a key'],
    ['an empty body', '-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n'],
    ['a body cut short', pem.split('\n').toSpliced(2, 1).join('\n')],
    [
      'an elliptic key',
      generateKeyPairSync('ec', { namedCurve: 'P-256' })
        .publicKey.export({ type: 'spki', format: 'pem' })
        .toString(),
    ],
  ])('throws for a key that is %s', async (_, key) => {
    await expect(verify(key, message, good)).rejects.toThrow()
  })
}
