// The text of an error for the log: never a statement's parameters, which may be hashes, names or object keys.
import { DrizzleQueryError } from 'drizzle-orm/errors'
import { expect, it } from 'vitest'
import { errorText, errorTrace } from '../../../src/core/error-text.ts'

const failed = new DrizzleQueryError(
  'select * from api_keys where hash = $1',
  ['a-hash\n    at nowhere'],
  new Error('relation "api_keys" does not exist'),
)

it('shows a failed statement and the database’s message, without parameters', () => {
  expect(errorText(failed)).toBe(
    'Error: relation "api_keys" does not exist in: select * from api_keys where hash = $1',
  )
  const trace = errorTrace(failed)
  expect(trace).toContain('error-text.test.ts')
  expect(trace + errorText(failed)).not.toMatch(/a-hash|nowhere/)
})

it('shows every other error unchanged', () => {
  const error = new TypeError('no such thing')
  expect(errorText(error)).toBe('TypeError: no such thing')
  expect(errorTrace(error)).toBe(error.stack)
  expect(errorText('cut')).toBe('cut')
})
