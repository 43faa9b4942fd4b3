// The lifecycle rules to add: only rules that OSS accepts, never for the whole bucket, and never in place of a foreign rule.
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type PrefixState, planLifecycle } from '../../../src/bucket/lifecycle.ts'
import { lostRules } from '../../../src/bucket/lost-rules.ts'
import {
  type BucketConfiguration,
  isStored,
  type LifecycleRule,
} from '../../../src/core/ports/bucket-settings.ts'
import {
  LIFECYCLE,
  readConfiguration,
  writeConfiguration,
} from '../../../src/storage/rest/bucket-xml.ts'

const days = (count: number) => `<AbortMultipartUpload><Days>${count}</Days></AbortMultipartUpload>`
const rule = (prefix: string, actions: string, { id = 'foreign', status = 'Enabled' } = {}) =>
  `<Rule><ID>${id}</ID><Prefix>${prefix}</Prefix><Status>${status}</Status>${actions}</Rule>`
const read = (...rules: string[]) =>
  readConfiguration(
    LIFECYCLE,
    `<LifecycleConfiguration>${rules.join('')}</LifecycleConfiguration>`,
  )!
const stored = (configuration: BucketConfiguration<LifecycleRule>) =>
  readConfiguration(LIFECYCLE, writeConfiguration(LIFECYCLE, configuration))!
const OURS = 'countersign-abort-photos'

describe('a prefix', () => {
  const before =
    '<AbortMultipartUpload><CreatedBeforeDate>2026-01-01T00:00:00.000Z</CreatedBeforeDate></AbortMultipartUpload>'
  const expires = '<Expiration><Days>30</Days></Expiration>'
  it.each<[PrefixState, string, string[]]>([
    ['missing', 'without any rule', []],
    ['missing', 'beside others', [rule('photos2/', days(8)), rule('video/', days(1))]],
    ['missing', 'with another action on the whole bucket', [rule('', expires)]],
    ['done', 'of its own rule', [rule('photos/', days(8))]],
    ['done', 'below a shorter one', [rule('pho', days(30))]],
    ['done', 'of a bucket that clears everything', [rule('', days(8) + expires)]],
    ['early', 'of a rule of seven days', [rule('photos/', days(7))]],
    ['early', 'of a bucket that clears everything at once', [rule('', days(1))]],
    ['early', 'that is cleared early in a part', [rule('photos/tmp/', days(1))]],
    ['early', 'below two', [rule('', days(9)), rule('photos/', days(2))]],
    ['missing', 'with our own rule of other days', [rule('photos/', days(3), { id: OURS })]],
    ['early', 'with our own rule changed', [rule('photos/', days(3) + expires, { id: OURS })]],
    [
      'early',
      'with our own rule and something new in it',
      [rule('photos/', days(3).replace('<Days>', '<Why>x</Why><Days>'), { id: OURS })],
    ],
    ['in-the-way', 'of a disabled rule', [rule('photos/', days(9), { status: 'Disabled' })]],
    ['in-the-way', 'of a rule by date', [rule('photos/', before)]],
    ['in-the-way', 'that is cleared in a part only', [rule('photos/tmp/', days(9))]],
    ['in-the-way', 'with a rule for something else', [rule('photos/', expires)]],
    [
      'in-the-way',
      'of a rule that leaves some out',
      [rule('photos/', `<Filter><Not><Prefix>photos/a</Prefix></Not></Filter>${days(9)}`)],
    ],
  ])('is %s %s', (state, _, rules) => {
    const { prefixes, merged } = planLifecycle(read(...rules), ['photos/'])
    expect(prefixes).toMatchObject([{ prefix: 'photos/', state }])
    expect(merged !== undefined).toBe(state === 'missing')
  })
})

describe('the written configuration', () => {
  it('has a rule for each prefix, after the existing rules', () => {
    const { merged } = planLifecycle(read(rule('old/', days(1))), ['a/', 'b/c/'])
    const xml = writeConfiguration(LIFECYCLE, merged!)
    expect(xml).toBe(
      `<?xml version="1.0" encoding="UTF-8"?>\n<LifecycleConfiguration>${rule('old/', days(1))}${rule('a/', days(8), { id: 'countersign-abort-a' })}${rule('b/c/', days(8), { id: 'countersign-abort-b/c' })}</LifecycleConfiguration>`,
    )
  })

  it('has one rule for a prefix and those below it', () => {
    const { merged } = planLifecycle(undefined, ['a/b/', 'a/', 'a/c/'])
    expect(merged?.rules.map(({ prefix }) => prefix)).toEqual(['a/'])
    const again = planLifecycle(stored(merged!), ['a/b/', 'a/', 'a/c/'])
    expect(again.prefixes.map(({ state }) => state)).toEqual(['done', 'done', 'done'])
  })

  it('extends our own rule in its place', () => {
    const present = read(rule('photos/', days(8), { id: OURS }), rule('x/', days(1)))
    const { merged } = planLifecycle(present, ['photos/'], 31)
    expect(merged?.rules.map(({ abort }) => abort?.days)).toEqual([31, 1])
    expect(planLifecycle(stored(merged!), ['photos/'], 31).merged).toBeUndefined()
    expect(planLifecycle(stored(merged!), ['photos/'], 8).merged).toBeUndefined()
  })

  it('leaves a foreign rule of our name alone', () => {
    const { merged } = planLifecycle(read(rule('x/', days(9), { id: OURS })), ['photos/'])
    expect(merged?.rules.map(({ id }) => id)).toEqual([OURS, `${OURS}-2`])
  })

  it('stops at 1000 rules', () => {
    const rules = Array.from({ length: 1000 }, (_, index) =>
      rule(`${index}/`, days(9), { id: `r${index}` }),
    )
    const { prefixes, merged } = planLifecycle(read(...rules), ['photos/'])
    expect(prefixes).toMatchObject([{ state: 'full' }])
    expect(merged).toBeUndefined()
  })
})

const action = fc.constantFrom(
  days(1),
  days(8),
  days(40),
  '<Expiration><Days>3</Days></Expiration>',
  '<Transition><Days>30</Days><StorageClass>IA</StorageClass></Transition>',
  '<NoncurrentVersionExpiration><NoncurrentDays>9</NoncurrentDays></NoncurrentVersionExpiration>',
  '<New made="later">x &lt; y<!-- why --></New>',
)
const anyRule = fc
  .tuple(
    fc.constantFrom('', 'a', 'a/', 'a/b/', 'b/', 'c/d', 'photos/'),
    fc.uniqueArray(action, { minLength: 1, maxLength: 3 }),
    fc.constantFrom('Enabled', 'Disabled'),
    fc.constantFrom('foreign', 'countersign-abort-a', OURS),
  )
  .map(([prefix, actions, status, id]) => rule(prefix, actions.join(''), { status, id }))

it('foreign rules survive byte for byte, and a second apply changes nothing', () => {
  const wanted = fc.uniqueArray(fc.constantFrom('a/', 'a/b/', 'b/', 'photos/'))
  fc.assert(
    fc.property(fc.array(anyRule, { maxLength: 6 }), wanted, (rules, prefixes) => {
      const before = read(...rules)
      const { merged } = planLifecycle(before, prefixes)
      if (!merged) return
      const after = stored(merged)

      const kept = merged.rules.filter(isStored)
      expect(lostRules(merged, after)).toEqual([])
      const replaced = before.rules.filter((each) => !kept.includes(each as (typeof kept)[number]))
      for (const { id, elements } of replaced) {
        expect(id).toMatch(/^countersign-abort-/)
        expect(elements).toEqual(['ID', 'Prefix', 'Status', 'AbortMultipartUpload/Days'])
      }
      const xml = writeConfiguration(LIFECYCLE, merged)
      for (const each of kept) expect(xml).toContain(each.xml)
      expect(
        merged.rules.filter((each) => !isStored(each)).map(({ prefix }) => prefix),
      ).not.toContain('')

      const again = planLifecycle(after, prefixes)
      expect(again.merged).toBeUndefined()
    }),
  )
})
