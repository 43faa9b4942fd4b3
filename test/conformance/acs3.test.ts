// ACS3-HMAC-SHA256 against the documentation's own examples, each stage on its own.
import { createHmac } from 'node:crypto'
import { expect, it } from 'vitest'
import { percentEncode } from '../../src/bytes/encoding.ts'
import { sha256Hex } from '../../src/bytes/sha256.ts'
import {
  acs3CanonicalRequest,
  acs3Headers,
  acs3Signature,
  acs3StringToSign,
  signAcs3,
} from '../../src/storage/aliyun/acs3.ts'
import vectors from '../vectors/oss-sts.json' with { type: 'json' }

interface Vector {
  id: string
  scheme: string
  input: {
    method: 'GET' | 'POST'
    host: string
    query: Record<string, string>
    action: string
    version: string
    'x-acs-date': string
    'x-acs-signature-nonce': string
    body: string
    access_key_id: string
    access_key_secret: string
  }
  expected: {
    canonical_request: string
    hashed_canonical_request: string
    string_to_sign: string
    signature: string
    authorization: string
  }
}

const acs3 = ['acs3-doc-1', 'acs3-doc-2'].map(
  (wanted) => (vectors.vectors as unknown as Vector[]).find(({ id }) => id === wanted)!,
)

it.each(acs3)('$id', ({ input, expected }) => {
  const call = {
    ...input,
    date: input['x-acs-date'],
    nonce: input['x-acs-signature-nonce'],
  }
  const headers = acs3Headers(call, {})
  const query = Object.entries(input.query)

  const canonical = acs3CanonicalRequest({ method: input.method, path: '/', query, headers })
  const signed = signAcs3(call, {
    accessKeyId: input.access_key_id,
    secretAccessKey: input.access_key_secret,
  })

  expect(canonical).toBe(expected.canonical_request)
  expect(sha256Hex(canonical)).toBe(expected.hashed_canonical_request)
  expect(acs3StringToSign(canonical)).toBe(expected.string_to_sign)
  expect(acs3Signature(input.access_key_secret, expected.string_to_sign)).toBe(expected.signature)
  expect(signed.headers.authorization).toBe(expected.authorization)
})

// We send ACS3 only. This vector of the older RPC signature checks our percent-encoding, which both schemes share.
it('rpc-assumerole', () => {
  const vector = vectors.vectors.find(({ id }) => id === 'rpc-assumerole')!
  const { method, access_key_secret, params } = vector.input
  const query = Object.entries(params!)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${percentEncode(name)}=${percentEncode(value)}`)
    .join('&')

  const toSign = `${method}&${percentEncode('/')}&${percentEncode(query)}`

  expect(toSign).toBe(vector.expected.string_to_sign)
  expect(createHmac('sha1', `${access_key_secret}&`).update(toSign).digest('base64')).toBe(
    vector.expected.signature,
  )
})
