// ACS3-HMAC-SHA256 against the documentation's own examples, each stage on its own.
import { expect, it } from 'vitest'
import {
  acs3CanonicalRequest,
  acs3Headers,
  acs3StringToSign,
  signAcs3,
} from '../../src/signing/acs3.ts'
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
  expected: { canonical_request: string; string_to_sign: string; authorization: string }
}

const acs3 = (vectors.vectors as unknown as Vector[]).filter(({ scheme }) =>
  scheme.startsWith('ACS3'),
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
  expect(acs3StringToSign(canonical)).toBe(expected.string_to_sign)
  expect(signed.headers.authorization).toBe(expected.authorization)
})

it('has vectors to be judged by', () => {
  expect(acs3.length).toBeGreaterThanOrEqual(2)
})
