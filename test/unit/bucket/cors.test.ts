// The CORS rule to add: only if one is needed, where it takes effect, and never in place of a foreign rule.
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { planCors } from '../../../src/bucket/cors.ts'
import { lostRules } from '../../../src/bucket/lost-rules.ts'
import {
  type BucketConfiguration,
  type CorsRule,
  corsRuleFor,
} from '../../../src/core/ports/bucket-settings.ts'
import {
  CORS,
  readConfiguration,
  writeConfiguration,
} from '../../../src/storage/rest/bucket-xml.ts'

const ALL = ['PUT', 'POST', 'GET', 'HEAD', 'DELETE']
const HEADERS = ['ETag', 'x-oss-request-id', 'x-oss-hash-crc64ecma']
const APP = 'https://app.example.com'

const good = (...origins: string[]): CorsRule => ({
  allowedOrigins: origins,
  allowedMethods: ALL,
  allowedHeaders: ['*'],
  exposeHeaders: HEADERS,
})
const plan = (rules: CorsRule[], origins: string[]) => planCors({ rules }, origins)
const stored = (configuration: BucketConfiguration<CorsRule>) =>
  readConfiguration(CORS, writeConfiguration(CORS, configuration))!

describe('nothing is missing', () => {
  it.each([
    ['the origin itself', [good(APP)], [APP]],
    ['any origin', [good('*')], [APP, '*']],
    ['a pattern', [good('https://*.example.com')], [APP, 'https://*.example.com']],
    ['a wider pattern', [good('https://*.com')], ['https://*.example.com']],
    ['two rules for two origins', [good(APP), good('https://b.org')], [APP, 'https://b.org']],
    [
      'two rules that share the methods',
      [
        { ...good(APP), allowedMethods: ['PUT', 'POST'] },
        { ...good(APP), allowedMethods: ['GET', 'HEAD', 'DELETE'], exposeHeaders: [] },
      ],
      [APP],
    ],
    [
      'header names in another case',
      [{ ...good(APP), exposeHeaders: HEADERS.map((name) => name.toUpperCase()) }],
      [APP],
    ],
    ['no origin', [], []],
  ] as Array<[string, CorsRule[], string[]]>)('with %s', (_, rules, origins) => {
    expect(plan(rules, origins)).toEqual({ missing: [] })
  })
})

describe('a rule is added', () => {
  it.each([
    ['nothing is configured', undefined],
    ['another origin is allowed', good('https://example.com')],
    ['a narrower pattern is allowed', good('https://app.example.com:8443')],
    ['DELETE is not allowed', { ...good(APP), allowedMethods: ALL.slice(0, 4) }],
    ['only some headers are allowed', { ...good(APP), allowedHeaders: ['x-oss-*'] }],
  ] as Array<[string, CorsRule | undefined]>)('at the end where %s', (_, rule) => {
    const { missing, merged, before } = planCors(rule && { rules: [rule] }, [APP])

    expect(missing).toEqual([APP])
    expect(before).toBeUndefined()
    expect(merged?.rules).toEqual([...(rule ? [rule] : []), { ...good(APP), maxAgeSeconds: 3600 }])
  })

  it('before the rule that hides ETag, and exposes the same headers as that rule', () => {
    const other = good('https://other.org')
    const hiding = { ...good('https://*.example.com'), exposeHeaders: ['x-oss-meta-a', 'etag'] }

    const { merged, before } = plan([other, hiding], [APP])

    expect(before).toBe(2)
    expect(merged?.rules).toEqual([
      other,
      { ...good(APP), maxAgeSeconds: 3600, exposeHeaders: [...HEADERS, 'x-oss-meta-a'] },
      hiding,
    ])
    expect(corsRuleFor(merged!.rules, 'https://b.example.com', 'PUT')).toBe(hiding)
  })

  it('once for all missing origins, and `*` covers all of them', () => {
    expect(plan([], [APP, 'https://b.org', APP]).merged?.rules[0]?.allowedOrigins).toEqual([
      APP,
      'https://b.org',
    ])
    expect(plan([], [APP, '*']).merged?.rules[0]?.allowedOrigins).toEqual(['*'])
  })

  it('not if there are ten rules already, and the missing origins are reported', () => {
    const ten = Array.from({ length: 10 }, (_, index) => good(`https://${index}.org`))
    expect(plan(ten, [APP])).toEqual({ missing: [APP] })
  })
})

const some = (from: string[], minLength = 0) => fc.subarray(from, { minLength })
const origin = fc.constantFrom('*', APP, 'https://*.example.com', 'https://b.org', 'http://*')
const rule = fc.record({
  allowedOrigins: fc.uniqueArray(origin, { minLength: 1 }),
  allowedMethods: some(ALL, 1),
  allowedHeaders: some(['*', 'content-type', 'x-oss-*']),
  exposeHeaders: some([...HEADERS, 'x-oss-meta-<a>']),
  maxAgeSeconds: fc.option(fc.nat(), { nil: undefined }),
})

describe('with any rules before', () => {
  it('foreign rules survive in their order, the wanted origins are served, and a second apply does nothing', () => {
    fc.assert(
      fc.property(
        fc.array(rule, { maxLength: 9 }),
        fc.uniqueArray(origin),
        fc.boolean(),
        (rules, origins, unknown) => {
          let xml = writeConfiguration(CORS, { rules })
          if (unknown) xml = xml.replace('</CORSRule>', '<New a="1">x &amp; y</New></CORSRule>')
          const before = readConfiguration(CORS, xml)!

          const { missing, merged } = planCors(before, origins)
          expect(merged !== undefined).toBe(missing.length > 0)
          if (!merged) return
          const after = stored(merged)

          expect(after.rules.length).toBe(before.rules.length + 1)
          expect(lostRules(before, after)).toEqual([])
          const xmlOf = ({ rules }: typeof before) =>
            rules.map((each) => ('xml' in each ? each.xml : ''))
          expect(xmlOf(after).filter((each) => xmlOf(before).includes(each))).toEqual(xmlOf(before))
          expect(after.frame).toEqual(before.frame)
          expect(planCors(after, origins)).toEqual({ missing: [] })
          for (const each of origins.filter((text) => !text.includes('*'))) {
            const answering = corsRuleFor(after.rules, each, 'PUT', ['content-md5'])
            expect(answering?.exposeHeaders.map((name) => name.toLowerCase())).toEqual(
              expect.arrayContaining(HEADERS.map((name) => name.toLowerCase())),
            )
          }
        },
      ),
    )
  })

  it('no origin may do or read less than before', () => {
    fc.assert(
      fc.property(fc.array(rule, { maxLength: 9 }), fc.uniqueArray(origin), (rules, origins) => {
        const after = planCors({ rules }, origins).merged?.rules ?? rules
        for (const asking of [APP, 'https://c.example.com', 'https://b.org', 'http://x']) {
          for (const method of ALL) {
            const was = corsRuleFor(rules, asking, method)
            const is = corsRuleFor(after, asking, method)
            expect(is?.exposeHeaders ?? []).toEqual(
              expect.arrayContaining([...(was?.exposeHeaders ?? [])]),
            )
            if (was) expect(is).toBeDefined()
          }
        }
      }),
    )
  })
})
