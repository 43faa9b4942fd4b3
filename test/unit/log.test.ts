// The log drops secrets, whoever writes them and at any depth.
import { expect, it } from 'vitest'
import { redact } from '../../src/log.ts'

it.each([
  ['a signed URL', 'GET https://b.oss.example/k?x-oss-signature=abc failed', 'x-oss-signature'],
  ['a token', 'bad eyJhbGciOiJIUzI1NiJ9.eyJhIjoxfQ.c2ln here', 'eyJ'],
  ['an api key', 'csk_0123456789abcdef_abcdef', 'csk_'],
  ['a webhook secret', 'whsec_c2VjcmV0+/=', 'whsec_'],
  ['a header', 'Authorization: Bearer abc.def', 'abc.def'],
  ['a database URL', 'postgres://user:pa55@host/db', 'pa55'],
])('drops %s', (_, text, secret) => {
  expect(redact(text)).not.toContain(secret)
})

it('leaves ordinary lines alone', () => {
  const line = '{"path":"/v1/uploads/upl_1","status":200}'
  expect(redact(line)).toBe(line)
})
