// Findings: a missing setting fails, a setting that only the operator can judge warns, and the RAM policy allows the least.
import { describe, expect, it } from 'vitest'
import {
  assumeRolePolicy,
  processingPolicies,
  ramPolicy,
  rolePolicy,
  setupPolicy,
} from '../../../src/bucket/ram.ts'
import { type BucketState, review } from '../../../src/bucket/review.ts'

const EMPTY: BucketState = {
  cors: { value: undefined },
  lifecycle: { value: undefined },
  acl: { value: 'private' },
  versioning: { value: undefined },
}
const WANTED = { origins: ['https://a.org'], prefixes: ['photos/'], abortAfterDays: 8 }
const levels = (state: Partial<BucketState>) =>
  review({ ...EMPTY, ...state }, WANTED).findings.map(({ about, level }) => `${about} ${level}`)

describe('findings', () => {
  it('of a new bucket are two missing settings, and apply adds both', () => {
    const { findings } = review(EMPTY, WANTED)
    expect(findings.map(({ about, level, applies }) => [about, level, applies])).toEqual([
      ['CORS', 'missing', true],
      ['Lifecycle', 'missing', true],
      ['ACL', 'ok', undefined],
      ['Versioning', 'ok', undefined],
    ])
  })

  it.each([
    ['a bucket that anyone writes to', { acl: { value: 'public-read-write' } }, 'ACL warning'],
    ['a bucket that anyone reads', { acl: { value: 'public-read' } }, 'ACL warning'],
    ['a versioned bucket', { versioning: { value: 'Enabled' } }, 'Versioning warning'],
    ['a bucket versioned once', { versioning: { value: 'Suspended' } }, 'Versioning warning'],
    ['an ACL that may not be read', { acl: { refused: 'AccessDenied' } }, 'ACL warning'],
    ['CORS that may not be read', { cors: { refused: 'AccessDenied' } }, 'CORS missing'],
    ['a lifecycle that cannot be read', { lifecycle: { refused: 'Http500' } }, 'Lifecycle missing'],
  ] as Array<[string, Partial<BucketState>, string]>)('of %s', (_, state, expected) => {
    expect(levels(state)).toContain(expected)
  })

  it('name the missing permission', () => {
    const { findings } = review({ ...EMPTY, cors: { refused: 'AccessDenied' } }, WANTED)
    expect(findings[0]?.todo).toBe('Allow this key oss:GetBucketCors.')
  })
})

describe('RAM', () => {
  const prefixes = ['photos/', 'team/video/']
  it('allows the service its prefixes, and the listing of uploads on the bucket', () => {
    expect(ramPolicy('shop', prefixes)).toEqual({
      Version: '1',
      Statement: [
        {
          Effect: 'Allow',
          Action: [
            'oss:PutObject',
            'oss:GetObject',
            'oss:DeleteObject',
            'oss:DeleteObjectVersion',
            'oss:AbortMultipartUpload',
            'oss:ListParts',
          ],
          Resource: ['acs:oss:*:*:shop/photos/*', 'acs:oss:*:*:shop/team/video/*'],
        },
        {
          Effect: 'Allow',
          Action: ['oss:ListMultipartUploads'],
          Resource: ['acs:oss:*:*:shop'],
        },
      ],
    })
    const tagging = ramPolicy('shop', prefixes, { tags: true })
    expect(tagging.Statement[0]?.Action).toContain('oss:PutObjectTagging')
  })

  it('allows a role to upload, and nothing to read or delete', () => {
    expect(rolePolicy('shop', prefixes).Statement).toEqual([
      {
        Effect: 'Allow',
        Action: ['oss:PutObject', 'oss:AbortMultipartUpload', 'oss:ListParts'],
        Resource: ['acs:oss:*:*:shop/photos/*', 'acs:oss:*:*:shop/team/video/*'],
      },
    ])
  })

  it('allows each processing target the extra actions it needs, limited to the prefixes where possible', () => {
    const policies = processingPolicies('shop', prefixes)
    const allowed = (statements: (typeof policies)['media']['Statement']) =>
      statements.map(({ Action, Resource }) => [Action, Resource])
    const objects = ['acs:oss:*:*:shop/photos/*', 'acs:oss:*:*:shop/team/video/*']

    expect(allowed(policies['oss-image'].Statement)).toEqual([[['oss:PostProcessTask'], objects]])
    expect(allowed(policies['oss-async'].Statement)).toEqual([
      [['oss:PostProcessTask', 'oss:ProcessImm'], objects],
      [['imm:CreateMediaConvertTask', 'imm:CreateOfficeConversionTask'], ['*']],
      [['ram:PassRole'], ['acs:ram:*:*:role/aliyunimmdefaultrole']],
    ])
    expect(allowed(policies.media.Statement)).toEqual([
      [['mts:SubmitJobs', 'mts:QueryJobList'], ['*']],
    ])
  })

  it('allows setting up only the bucket’s own settings, and assuming only the one role', () => {
    expect(setupPolicy('shop').Statement[0]?.Resource).toEqual(['acs:oss:*:*:shop'])
    expect(setupPolicy('shop').Statement[0]?.Action.every((name) => /Bucket/.test(name))).toBe(true)
    expect(assumeRolePolicy('acs:ram::1:role/up').Statement).toEqual([
      { Effect: 'Allow', Action: ['sts:AssumeRole'], Resource: ['acs:ram::1:role/up'] },
    ])
  })
})
