// Processing rules: which ones fit an upload, where each saves, and which are invalid.
import { describe, expect, it } from 'vitest'
import {
  operationFault,
  overlap,
  type ProcessedUpload,
  type ProcessingRule,
  planProcessing,
  savedTemplateFault,
} from '../../../src/core/processing.ts'

const upload = (overrides: Partial<ProcessedUpload> = {}): ProcessedUpload => ({
  appPrefix: 'photos',
  key: 'photos/ada/upl_1/cat.png',
  contentType: 'image/png',
  values: {
    subjectSegment: 'ada',
    uploadId: 'upl_1',
    filename: 'cat.png',
    createdAt: new Date('2026-01-02T03:04:05Z'),
  },
  ...overrides,
})
const image = (
  keyTemplate: string,
  rest: Partial<ProcessingRule> = {},
): ProcessingRule & { target: { type: 'oss-image' } } => ({
  ...rest,
  target: { type: 'oss-image', operation: 'image/resize,w_100', keyTemplate },
})

describe('a plan', () => {
  it('has a task for every rule that fits, in order, each under the app’s prefix', () => {
    const rules = [
      image('{uploadId}/small.png', { name: 'small', when: { contentTypes: ['image/*'] } }),
      image('{uploadId}/never.png', { when: { contentTypes: ['video/*'] } }),
      image('thumbs/{year}/{uploadId}-{filename}'),
    ]

    expect(planProcessing(rules, upload())).toEqual([
      { rule: 0, name: 'small', target: rules[0]!.target, key: 'photos/upl_1/small.png' },
      {
        rule: 2,
        name: undefined,
        target: rules[2]!.target,
        key: 'photos/thumbs/2026/upl_1-cat.png',
      },
    ])
  })

  it.each([
    [{}, true],
    [{ contentTypes: ['image/png'] }, true],
    [{ contentTypes: ['IMAGE/*'] }, true],
    [{ contentTypes: ['image/jpeg', 'video/*'] }, false],
    [{ keyPrefix: 'ada/' }, true],
    [{ keyPrefix: 'ad' }, true],
    [{ keyPrefix: 'photos/' }, false],
    [{ keyPrefix: 'bob/' }, false],
    [{ contentTypes: ['image/*'], keyPrefix: 'bob/' }, false],
  ])('with %j fits: %s', (when, expected) => {
    expect(planProcessing([image('{uploadId}/t', { when })], upload())).toHaveLength(
      expected ? 1 : 0,
    )
  })

  it('ignores parameters of a content type', () => {
    const rules = [image('{uploadId}/t', { when: { contentTypes: ['image/png'] } })]
    expect(planProcessing(rules, upload({ contentType: 'image/png; x=1' }))).toHaveLength(1)
  })

  it('renders any filename to one segment', () => {
    const values = { ...upload().values, filename: '../../etc/passwd' }
    const [task] = planProcessing([image('{uploadId}/{filename}.webp')], upload({ values }))
    expect(task!.key).toBe('photos/upl_1/.._.._etc_passwd.webp')
  })

  const refused = (rules: ProcessingRule[]) => {
    try {
      planProcessing(rules, upload())
    } catch (problem) {
      return problem
    }
    throw new Error('nothing was refused')
  }

  it('refuses an upload whose key a result would overwrite', () => {
    expect(refused([image('ada/{uploadId}/cat.png')])).toMatchObject({
      code: 'invalid-request',
      members: { errors: [{ pointer: '/filename' }] },
    })
  })

  it('refuses an upload for which two rules would save under one key', () => {
    expect(refused([image('{uploadId}/{filename}'), image('{uploadId}/cat.png')])).toMatchObject({
      code: 'invalid-request',
    })
  })

  it('refuses a result whose key is longer than a store accepts', () => {
    const long = `${'x'.repeat(255)}/`.repeat(4)
    expect(refused([image(`${long}{uploadId}`)])).toMatchObject({ code: 'invalid-request' })
  })
})

it.each([
  [{}, {}, true],
  [{}, { contentTypes: ['image/png'] }, true],
  [{ contentTypes: ['image/*'] }, { contentTypes: ['video/*', 'IMAGE/png'] }, true],
  [{ contentTypes: ['image/png'] }, { contentTypes: ['image/jpeg'] }, false],
  [{ contentTypes: ['image/*'] }, { contentTypes: ['video/*'] }, false],
  [{ contentTypes: ['*/*'] }, { contentTypes: ['video/mp4'] }, true],
  [{ keyPrefix: 'a/' }, { keyPrefix: 'a/b/' }, true],
  [{ keyPrefix: 'a/' }, { keyPrefix: 'b/' }, false],
  [{ keyPrefix: 'a/' }, { contentTypes: ['video/mp4'] }, true],
  [{ keyPrefix: 'a/', contentTypes: ['video/mp4'] }, { contentTypes: ['text/plain'] }, false],
])('%j and %j may both fit: %s', (one, other, expected) => {
  const [a, b] = [image('x', { when: one }), image('x', { when: other })]
  expect([overlap(a, b), overlap(b, a)]).toEqual([expected, expected])
})

describe('an operation', () => {
  it.each([
    ['oss-image', 'image/resize,w_100'],
    ['oss-image', 'image/resize,m_fixed,h_100,w_100/format,webp/quality,q_80'],
    ['oss-image', 'image/watermark,text_SGVsbG8g5Zu-54mH,g_se,x_10'],
    ['oss-image', 'image/auto-orient,1'],
    ['oss-image', 'style/thumbnail'],
    ['oss-async', 'video/convert,f_mp4,vcodec_h265,s_1920x1080,vb_2000000,fps_30,acodec_aac'],
    ['oss-async', 'doc/convert,target_pdf,source_docx'],
    ['oss-async', 'audio/convert,ss_10000,t_60000,f_aac'],
  ] as const)('of %s may be %s', (type, operation) => {
    expect(operationFault(type, operation)).toBeUndefined()
  })

  it.each([
    ['oss-image', ''],
    ['oss-image', 'image'],
    ['oss-image', 'image/'],
    ['oss-image', 'video/convert,f_mp4'],
    ['oss-image', 'sys/saveas,o_eA'],
    ['oss-async', 'sys/saveas,o_eA'],
    ['oss-async', 'notify/x'],
    ['oss-image', 'image/resize,w_1|sys/saveas,o_eA'],
    ['oss-image', 'image/resize,w_1&x-oss-process=image/info'],
    ['oss-image', 'image/resize,w_1 0'],
    ['oss-image', 'image/resize,w_1\nx'],
    ['oss-image', 'image/resize,w_%31'],
    ['oss-image', 'image//resize'],
    ['oss-image', ' image/resize,w_1'],
  ] as const)('of %s must not be %j', (type, operation) => {
    expect(operationFault(type, operation)).toEqual(expect.any(String))
  })
})

it.each([
  ['{uploadId}/x', undefined],
  ['{subject}/x', 'must contain {uploadId}'],
  ['{uploadId}/{index}', expect.stringContaining('unknown placeholder')],
  ['{subject}-{uploadId}', expect.stringContaining('alone')],
  ['/{uploadId}', expect.stringContaining('slash')],
  ['../{uploadId}', expect.stringContaining('".."')],
])('the template %j of a saved key: %s', (template, fault) => {
  expect(savedTemplateFault(template)).toEqual(fault)
})
