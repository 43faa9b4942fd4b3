// Keys: every placeholder is one safe segment, and nothing a user sends climbs out of its place.
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { keyFault, renderKey, safeSegment, templateFault } from '../../../src/core/object-key.ts'

const values = (filename: string, subject = 'ada') => ({
  subject,
  uploadId: 'upl_1',
  filename,
  createdAt: new Date('2026-02-03T04:05:06Z'),
})

describe('a rendered key', () => {
  it.each([
    ['film.mp4', 'app/ada/upl_1/film.mp4'],
    ['..', 'app/ada/upl_1/__'],
    ['.', 'app/ada/upl_1/_'],
    ['../../etc/passwd', 'app/ada/upl_1/.._.._etc_passwd'],
    ['a\\b', 'app/ada/upl_1/a_b'],
    ['a*b?', 'app/ada/upl_1/a_b_'],
    ['😀.png', 'app/ada/upl_1/😀.png'],
    [' ', 'app/ada/upl_1/_'],
  ])('for %j is %s', (filename, key) => {
    expect(renderKey('app', '{subject}/{uploadId}/{filename}', values(filename))).toBe(key)
  })

  it('has as many segments as its template, whatever the names', () => {
    fc.assert(
      fc.property(
        fc.string({ maxLength: 60 }),
        fc.string({ maxLength: 60 }),
        (filename, subject) => {
          const key = renderKey('app', '{subject}/{uploadId}/{filename}', values(filename, subject))
          expect(key.split('/')).toHaveLength(4)
          expect(keyFault(key)).toBeUndefined()
        },
      ),
    )
  })

  it('of more than 1,023 bytes is refused with a pointer to the name', () => {
    expect(() => renderKey('app', '{filename}', values('x'.repeat(1020)))).toThrow(
      expect.objectContaining({ code: 'invalid-request' }),
    )
    expect(renderKey('app', '{filename}', values('x'.repeat(1019)))).toHaveLength(1023)
  })

  it('knows date and extension', () => {
    expect(renderKey('app', '{date}/{year}/{month}/{day}/x.{extension}', values('a.tar.gz'))).toBe(
      'app/2026-02-03/2026/02/03/x.gz',
    )
  })
})

it.each(['{nope}', '{constructor}', 'a//b', '/a', '../{filename}', '{filename', 'a}'])(
  'the template %s is refused',
  (template) => {
    expect(templateFault(template)).toBeTypeOf('string')
  },
)

it('a lone surrogate is no key', () => {
  expect(keyFault('a/\ud800')).toBe('has a lone surrogate')
  expect(keyFault(safeSegment('fine'))).toBeUndefined()
})
