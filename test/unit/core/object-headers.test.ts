// A policy's `object` block is checked against the limits of the stores when it is written: both sides of every boundary.
import { describe, expect, it } from 'vitest'
import { policySchema } from '../../../src/contract/policy.ts'
import { OBJECT_HEADER_RULES, objectHeaderFaults } from '../../../src/core/object-headers.ts'

/** The paths of an `object` block's faults. */
function faults(object: Record<string, unknown>): string[] {
  const parsed = policySchema.safeParse({ object })
  return parsed.success ? [] : parsed.error.issues.map(({ path }) => path.join('/'))
}

const record = (count: number, key: (index: number) => string, value: string) =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [key(index), value]))

describe('a policy’s object block', () => {
  it.each([
    {},
    ...['private', 'public-read', 'default'].map((acl) => ({ acl })),
    ...['Standard', 'IA', 'Archive', 'ColdArchive', 'DeepColdArchive'].map((storageClass) => ({
      storageClass,
    })),
    ...['AES256', 'KMS', 'SM4'].map((serverSideEncryption) => ({ serverSideEncryption })),
    { serverSideEncryption: 'KMS', serverSideEncryptionKeyId: '9468da86-3509-4f8d-a61e-6eab1eac' },
    { serverSideEncryption: 'KMS', serverSideDataEncryption: 'SM4' },
    { tags: record(10, (index) => `k${index}`.padEnd(128, 'x'), 'v'.repeat(256)) },
    { tags: { 'aZ0 +-=._:/': 'aZ0 +-=._:/', empty: '' } },
    { metadata: { owner: 'photos', 'a-b-1': 'ASCII only' } },
    { cacheControl: 'max-age=60', contentDisposition: 'attachment' },
  ])('takes %j', (object) => {
    expect(faults(object)).toEqual([])
  })

  it.each<[Record<string, unknown>, string]>([
    [{ acl: 'public-read-write' }, 'object/acl'],
    [{ storageClass: 'standard' }, 'object/storageClass'],
    // Each value is of another family, and no store takes both.
    [{ storageClass: 'STANDARD', serverSideEncryption: 'SM4' }, 'object/storageClass'],
    [{ serverSideEncryption: 'aws:nothing' }, 'object/serverSideEncryption'],
    [{ serverSideEncryption: 'toString' }, 'object/serverSideEncryption'],
    [{ serverSideEncryptionKeyId: 'key' }, 'object/serverSideEncryptionKeyId'],
    [
      { serverSideEncryption: 'AES256', serverSideEncryptionKeyId: 'key' },
      'object/serverSideEncryptionKeyId',
    ],
    [
      { serverSideEncryption: 'SM4', serverSideDataEncryption: 'SM4' },
      'object/serverSideDataEncryption',
    ],
    [
      { serverSideEncryption: 'KMS', serverSideDataEncryption: 'AES256' },
      'object/serverSideDataEncryption',
    ],
    [{ tags: record(11, (index) => `k${index}`, 'v') }, 'object/tags'],
    [{ tags: { 'a&b': 'x' } }, 'object/tags/a&b'],
    [{ tags: { a: 'ü' } }, 'object/tags/a'],
    [{ tags: { ['k'.repeat(129)]: 'v' } }, `object/tags/${'k'.repeat(129)}`],
    [{ tags: { a: 'v'.repeat(257) } }, 'object/tags/a'],
    [{ metadata: { 'countersign-upload': 'upl_1' } }, 'object/metadata/countersign-upload'],
    [{ metadata: { 'countersign-x': '1' } }, 'object/metadata/countersign-x'],
    [{ metadata: { Upper: '1' } }, 'object/metadata/Upper'],
    [{ metadata: { a: 'line\nbreak' } }, 'object/metadata/a'],
    [{ metadata: record(5, (index) => `m${index}`, 'x'.repeat(2000)) }, 'object/metadata'],
    [{ contentType: 'text/html' }, 'object'],
  ])('refuses %j', (object, where) => {
    expect(faults(object)).toContain(where)
  })

  it('counts metadata with its header names and the stamp', () => {
    // 4 × (11 + 2 + 2000) bytes, and the stamp’s 11 + 18 + 64 come to 8145. The last entry fills the rest of 8192.
    const metadata = record(4, (index) => `m${index}`, 'x'.repeat(2000))
    expect(faults({ metadata: { ...metadata, z: 'x'.repeat(35) } })).toEqual([])
    expect(faults({ metadata: { ...metadata, z: 'x'.repeat(36) } })).toEqual(['object/metadata'])
  })
})

describe('the store of a policy', () => {
  it.each<['oss' | 's3', Record<string, string>, string[]]>([
    ['oss', { storageClass: 'STANDARD' }, ['storageClass']],
    ['oss', { serverSideEncryption: 'aws:kms' }, ['serverSideEncryption']],
    ['s3', { storageClass: 'Standard' }, ['storageClass']],
    ['s3', { serverSideEncryption: 'KMS' }, ['serverSideEncryption']],
    ['s3', { storageClass: 'GLACIER_IR', serverSideEncryption: 'aws:kms' }, []],
    ['s3', { serverSideEncryptionKeyId: 'key' }, ['serverSideEncryptionKeyId']],
    ['s3', { serverSideEncryption: 'aws:kms', serverSideEncryptionKeyId: 'key' }, []],
  ])('of dialect %s judges %j', (dialect, headers, wrong) => {
    const found = objectHeaderFaults(headers, OBJECT_HEADER_RULES[dialect])

    expect(found.map(({ path }) => path.join('/'))).toEqual(wrong)
  })

  it('of dialect s3 takes 2 KB of metadata, with header names and the stamp', () => {
    const most = 2048 - 11 - 'countersign-upload'.length - 64
    const sized = (bytes: number) => ({ metadata: { a: 'x'.repeat(bytes - 12) } })

    expect(objectHeaderFaults(sized(most), OBJECT_HEADER_RULES.s3)).toEqual([])
    expect(objectHeaderFaults(sized(most + 1), OBJECT_HEADER_RULES.s3)).toHaveLength(1)
  })
})
