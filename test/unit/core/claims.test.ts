// Conditions on claims: the values that a pattern matches, and those that never match.
import { expect, it } from 'vitest'
import { matchesPattern, meetsConditions } from '../../../src/core/claims.ts'

it.each([
  ['acme/app', 'acme/app'],
  ['acme/*', 'acme/app'],
  ['acme/*', 'acme/'],
  ['*', ''],
  ['*/app', 'acme/app'],
  ['a*b*c', 'abc'],
  ['a*b*c', 'a-b-b-c-c'],
  ['*ab*ab*', 'abab'],
  ['refs/*/v*', 'refs/tags/v1'],
  ['**', 'x'],
  ['a.c', 'a.c'],
])('%s matches %s', (pattern, text) => {
  expect(matchesPattern(pattern, text)).toBe(true)
})

it.each([
  ['acme/*', 'acme-evil/app'],
  ['acme/*', 'xacme/app'],
  ['acme/*', 'Acme/app'],
  ['*/app', 'acme/app2'],
  ['acme', 'acme2'],
  ['acme', ''],
  // The prefix and the suffix must not overlap.
  ['aba*ba', 'aba'],
  ['a*a', 'a'],
  ['*ab*ab*', 'ab'],
  ['a*b*c', 'a-c-b'],
  ['a*b*b', 'a-b'],
  ['a.c', 'abc'],
  ['a?c', 'abc'],
  ['[a]', 'a'],
])('%s does not match %s', (pattern, text) => {
  expect(matchesPattern(pattern, text)).toBe(false)
})

it('is no slower for a pattern designed to be slow', () => {
  const pattern = `${'*a'.repeat(120)}*b`
  let looked = 0
  const text = Object.assign(new String('a'.repeat(16_000)), {
    indexOf(literal: string, from: number) {
      looked++
      return String.prototype.indexOf.call(this, literal, from)
    },
  })

  expect(matchesPattern(pattern, text as unknown as string)).toBe(false)
  // The prefix and the suffix decide before any search.
  expect(looked).toBe(0)
  expect(matchesPattern(`${pattern}*`, text as unknown as string)).toBe(false)
  expect(looked).toBe(121)
})

it.each([
  ['a value', { repository: ['acme/*'] }, { repository: 'acme/app' }],
  ['one of two patterns', { ref: ['refs/tags/*', 'refs/heads/main'] }, { ref: 'refs/heads/main' }],
  ['one entry of a list', { groups: ['uploaders'] }, { groups: ['staff', 'uploaders'] }],
  ['a boolean', { email_verified: ['true'] }, { email_verified: true }],
  ['a number', { tenant: ['72'], score: ['1.5'] }, { tenant: 72, score: 1.5 }],
  ['a number in a list', { tenants: ['72'] }, { tenants: [71, 72] }],
  ['nothing that is asked for', {}, {}],
])('%s is enough', (_what, conditions, claims) => {
  expect(meetsConditions(conditions, claims)).toBe(true)
})

it.each([
  ['one of two claims', { a: ['1'], b: ['2'] }, { a: '1', b: '3' }],
  ['an absent claim', { a: ['*'] }, { b: 'x' }],
  ['null', { a: ['*', 'null'] }, { a: null }],
  ['an object', { a: ['*'] }, { a: { b: 'c' } }],
  ['an empty list', { a: ['*'] }, { a: [] }],
  ['a list in a list, or an object in one', { a: ['*'] }, { a: [['x'], { y: 'x' }] }],
  ['a list as text', { a: ['x,y'] }, { a: ['x', 'y'] }],
  // Parsing turns 2^53 + 1 into 2^53.
  ['a number that was rounded', { a: ['9007199254740992'] }, JSON.parse('{"a":9007199254740993}')],
  ['what every object has', { constructor: ['*'], toString: ['*'] }, {}],
  ['no pattern', { a: [] }, { a: 'x' }],
])('%s is not enough', (_what, conditions, claims) => {
  expect(meetsConditions(conditions, claims)).toBe(false)
})
