// OSS signature V1 against the published vectors: string to sign, signature, Authorization.
import { createHmac } from 'node:crypto'
import { expect, it } from 'vitest'
import { percentEncodePath } from '../../src/bytes/encoding.ts'
import { oss1StringToSign } from '../../src/signing/oss1.ts'
import vectors from '../vectors/oss-v1.json' with { type: 'json' }

interface Vector {
  id: string
  input: {
    method: string
    bucket: string
    key: string
    query: [string, string][]
    headers: Record<string, string>
    expires_epoch?: number
    access_key_id: string
    access_key_secret: string
    security_token?: string
  }
  expected: { string_to_sign: string; signature: string; authorization?: string; sdk_url?: string }
}

it.each(vectors.vectors as unknown as Vector[])('$id', ({ input, expected }) => {
  const query: [string, string][] = input.security_token
    ? [...input.query, ['security-token', input.security_token]]
    : input.query
  const date = input.expires_epoch?.toString() ?? input.headers['x-oss-date'] ?? ''

  const toSign = oss1StringToSign({ ...input, query }, date)

  const signature = createHmac('sha1', input.access_key_secret).update(toSign).digest('base64')
  expect(toSign).toBe(expected.string_to_sign)
  expect(signature).toBe(expected.signature)
  if (expected.authorization) {
    expect(`OSS ${input.access_key_id}:${signature}`).toBe(expected.authorization)
  }
  if (expected.sdk_url) {
    const url = new URL(expected.sdk_url)
    expect(url.pathname).toBe(`/${percentEncodePath(input.key)}`)
    expect(Object.fromEntries(url.searchParams)).toEqual({
      ...Object.fromEntries(query),
      OSSAccessKeyId: input.access_key_id,
      Expires: date,
      Signature: signature,
    })
  }
})
