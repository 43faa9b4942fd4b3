// Keys: every placeholder becomes one safe segment, so that no user input reaches another path.
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { digestHex } from '../../../src/bytes/encoding.ts'
import {
  keyFault,
  renderKey,
  replacedTemplateFault,
  safeSegment,
  subjectSegment,
  templateFault,
} from '../../../src/core/object-key.ts'

const values = (filename: string, segment = 'ada') => ({
  subjectSegment: segment,
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

  it('has as many segments as its template, for any names', async () => {
    const name = fc.string({ minLength: 1, maxLength: 60 })
    await fc.assert(
      fc.asyncProperty(name, name, async (filename, subject) => {
        const segment = await subjectSegment(subject)
        const key = renderKey('app', '{subject}/{uploadId}/{filename}', values(filename, segment))
        expect(key.split('/')).toHaveLength(4)
        expect(keyFault(key)).toBeUndefined()
      }),
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

describe('the segment of a subject', () => {
  it.each([
    ['ada', 'ada'],
    ['Ada_1-b.c', 'Ada_1-b.c'],
    ['team/alice', 'team=2Falice'],
    [' bob ', '=20bob=20'],
    ['a=b', 'a=3Db'],
    ['.', '=2E'],
    ['..', '=2E.'],
    ['Zoë', 'Zo=C3=AB'],
    ['😀', '=F0=9F=98=80'],
    ['\u0000', '=00'],
  ])('of %j is %s', async (subject, segment) => {
    expect(await subjectSegment(subject)).toBe(segment)
  })

  const long = 'x'.repeat(79)
  it.each([
    ['x'.repeat(160), 'x'.repeat(160)],
    [`${'x'.repeat(157)}/`, `${'x'.repeat(157)}=2F`],
    ['x'.repeat(161), `${'x'.repeat(80)}==`],
    [`${'x'.repeat(158)}/`, `${'x'.repeat(80)}==`],
    [`${long}/${long}/`, `${long}==`],
    [`${long.slice(1)}/${long}/`, `${long.slice(1)}==`],
    [`${long.slice(2)}/${long}///`, `${long.slice(2)}=2F==`],
    ['/'.repeat(255), `${'=2F'.repeat(26)}==`],
  ])('of %j has at most 160 bytes and no half of an escape', async (subject, start) => {
    const digest = start.endsWith('==') ? await digestHex(subject) : ''
    expect(await subjectSegment(subject)).toBe(start + digest)
  })

  it('differs for every subject, even one named like a segment', async () => {
    const piece = fc.constantFrom(
      ...[
        'a',
        '/',
        '_',
        '=',
        '==',
        '=2F',
        '.',
        ' ',
        '*',
        '?',
        '\\',
        'é',
        'e\u0301',
        '😀',
        '\u0000',
      ],
      ...['x'.repeat(77), 'x'.repeat(80), 'x'.repeat(159), '=='.padEnd(66, '0')],
    )
    const text = fc.oneof(
      fc.array(piece, { minLength: 1, maxLength: 6 }).map((pieces) => pieces.join('')),
      fc.string({ minLength: 1, maxLength: 255, unit: 'binary' }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(text, { minLength: 1, maxLength: 4 }), async (texts) => {
        const called = await Promise.all(texts.map(subjectSegment))
        const subjects = new Set([...texts, ...called])
        const segments = await Promise.all([...subjects].map(subjectSegment))
        expect(new Set(segments).size).toBe(subjects.size)
        for (const segment of segments) expect(segment).toMatch(/^(?!\.)[\w.=-]{1,160}$/)
      }),
    )
  })

  it('is refused for a lone surrogate, whose bytes are those of U+FFFD', async () => {
    await expect(subjectSegment('a\ud800')).rejects.toMatchObject({ code: 'invalid-request' })
  })
})

it.each([
  ['{filename}', expect.stringContaining('must contain {subject} or {uploadId}')],
  ['{date}/{filename}', expect.stringContaining('must contain {subject} or {uploadId}')],
  ['{subject}/{filename}', undefined],
  ['{uploadId}-{filename}', undefined],
])('the template %s of a policy that replaces: %s', (template, fault) => {
  expect(replacedTemplateFault(template)).toEqual(fault)
})

it.each([
  '{subject}-x',
  'x{subject}',
  '{subject}{uploadId}',
  '{subject}{subject}',
  '{nope}',
  '{constructor}',
  'a//b',
  '/a',
  '../{filename}',
  '{filename',
  'a}',
])('the template %s is refused', (template) => {
  expect(templateFault(template)).toBeTypeOf('string')
})

it('a lone surrogate is not a key', () => {
  expect(keyFault('a/\ud800')).toBe('has a lone surrogate')
  expect(keyFault(safeSegment('fine'))).toBeUndefined()
})
