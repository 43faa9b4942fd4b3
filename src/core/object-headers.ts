// The headers that a store accepts for an object, a row per dialect. A policy is checked when it is written, because a value
// that the store refuses would fail every upload.
import { utf8 } from '../bytes/encoding.ts'

export interface ObjectHeaderRules {
  acls: readonly string[]
  storageClasses: readonly string[]
  /** The other fields that each algorithm allows. */
  encryptions: Readonly<Record<string, { keyId: boolean; dataEncryptions: readonly string[] }>>
  maxTags: number
  tagText: RegExp
  /** Of all user metadata with their full header names, including the stamp. */
  maxMetadataBytes: number
  /** Of the prefix that makes a name of user metadata a header. */
  metadataPrefixBytes: number
}

/** Begins the names of the service's own user metadata, such as the stamp's. */
export const RESERVED_METADATA = 'countersign-'

/** The longest stamp: the name without the store's prefix, and the session's id. */
const STAMP_BYTES = 'countersign-upload'.length + 64

/**
 * Source: Alibaba Cloud OSS, "PutObject", "Storage classes", "Server-side encryption", "Object tagging"; Amazon S3, "PutObject",
 * "Object tagging", "Object metadata". A product of the S3 family may know fewer values.
 */
export const OBJECT_HEADER_RULES = {
  oss: {
    acls: ['private', 'public-read', 'default'],
    storageClasses: ['Standard', 'IA', 'Archive', 'ColdArchive', 'DeepColdArchive'],
    encryptions: {
      AES256: { keyId: false, dataEncryptions: [] },
      SM4: { keyId: false, dataEncryptions: [] },
      KMS: { keyId: true, dataEncryptions: ['SM4'] },
    },
    maxTags: 10,
    tagText: /^[A-Za-z0-9 +\-=._:/]*$/,
    maxMetadataBytes: 8 * 1024,
    metadataPrefixBytes: 11,
  },
  s3: {
    acls: ['private', 'public-read', 'default'],
    storageClasses: [
      'STANDARD',
      'STANDARD_IA',
      'ONEZONE_IA',
      'INTELLIGENT_TIERING',
      'GLACIER_IR',
      'GLACIER',
      'DEEP_ARCHIVE',
      'REDUCED_REDUNDANCY',
    ],
    encryptions: {
      AES256: { keyId: false, dataEncryptions: [] },
      'aws:kms': { keyId: true, dataEncryptions: [] },
    },
    maxTags: 10,
    tagText: /^[A-Za-z0-9 +\-=._:/@]*$/,
    maxMetadataBytes: 2 * 1024,
    metadataPrefixBytes: 11,
  },
} as const satisfies Record<string, ObjectHeaderRules>

/** Of the first dialect if no dialect accepts the headers, because a policy does not say which one its store has. */
export function headerFaultsOfAll(headers: ObjectHeaders): ObjectHeaderFault[] {
  const faults = Object.values(OBJECT_HEADER_RULES).map((rules) =>
    objectHeaderFaults(headers, rules),
  )
  return faults.some(({ length }) => length === 0) ? [] : faults[0]!
}

export interface ObjectHeaderFault {
  path: string[]
  message: string
}

const oneOf = (values: readonly string[]) => `must be one of ${values.join(', ')}`

/** Empty if the store accepts the headers. */
export function objectHeaderFaults(
  headers: ObjectHeaders,
  rules: ObjectHeaderRules,
): ObjectHeaderFault[] {
  const { acl, storageClass, tags = {}, metadata = {} } = headers
  const faults: ObjectHeaderFault[] = []
  const refuse: Refuse = (path, message) => void faults.push({ path, message })
  if (acl !== undefined && !rules.acls.includes(acl)) refuse(['acl'], oneOf(rules.acls))
  if (storageClass !== undefined && !rules.storageClasses.includes(storageClass)) {
    refuse(['storageClass'], oneOf(rules.storageClasses))
  }
  checkEncryption(headers, rules, refuse)
  checkTags(tags, rules, refuse)
  checkMetadata(metadata, rules, refuse)
  return faults
}

type Refuse = (path: string[], message: string) => void

function checkEncryption(
  {
    serverSideEncryption: algorithm,
    serverSideEncryptionKeyId: keyId,
    serverSideDataEncryption: dataEncryption,
  }: ObjectHeaders,
  { encryptions }: ObjectHeaderRules,
  refuse: Refuse,
): void {
  const row =
    algorithm && Object.hasOwn(encryptions, algorithm) ? encryptions[algorithm] : undefined
  if (algorithm !== undefined && !row) {
    refuse(['serverSideEncryption'], oneOf(Object.keys(encryptions)))
  }
  if (keyId !== undefined && !row?.keyId) {
    const withKey = Object.keys(encryptions).filter((name) => encryptions[name]?.keyId)
    refuse(
      ['serverSideEncryptionKeyId'],
      `needs "serverSideEncryption": "${withKey.join('" or "')}"`,
    )
  }
  if (dataEncryption !== undefined && !row?.dataEncryptions.includes(dataEncryption)) {
    const message = 'is "SM4", and needs "serverSideEncryption": "KMS"'
    refuse(['serverSideDataEncryption'], message)
  }
}

function checkTags(
  tags: Record<string, string>,
  { maxTags, tagText }: ObjectHeaderRules,
  refuse: Refuse,
): void {
  const entries = Object.entries(tags)
  if (entries.length > maxTags) refuse(['tags'], `has at most ${maxTags} tags`)
  for (const [key, value] of entries) {
    if (tagText.test(key) && tagText.test(value)) continue
    refuse(['tags', key], 'is made of letters, digits, spaces and + - = . _ : /')
  }
}

function checkMetadata(
  metadata: Record<string, string>,
  { maxMetadataBytes: most, metadataPrefixBytes }: ObjectHeaderRules,
  refuse: Refuse,
): void {
  let bytes = metadataPrefixBytes + STAMP_BYTES
  for (const [name, value] of Object.entries(metadata)) {
    bytes += metadataPrefixBytes + name.length + utf8(value).length
  }
  if (bytes > most) {
    refuse(['metadata'], `has at most ${most} bytes together with its header names and the stamp`)
  }
  for (const name of Object.keys(metadata)) {
    if (!name.startsWith(RESERVED_METADATA)) continue
    const message = `must not begin with "${RESERVED_METADATA}": such names are the service’s own`
    refuse(['metadata', name], message)
  }
}

export interface ObjectHeaders {
  acl?: 'private' | 'public-read' | 'default'
  storageClass?: string
  serverSideEncryption?: string
  /** Of the customer's own KMS key. */
  serverSideEncryptionKeyId?: string
  /** The algorithm that KMS uses on the data, if not AES-256. */
  serverSideDataEncryption?: string
  cacheControl?: string
  contentDisposition?: string
  tags?: Record<string, string>
  metadata?: Record<string, string>
}

/** As HEAD shows them. A client may set those that the policy leaves unset, because they are not signed. */
export interface ShownHeaders {
  cacheControl?: string
  contentDisposition?: string
  contentLanguage?: string
  expires?: string
}
