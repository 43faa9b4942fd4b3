// The headers that a store accepts for an object, a row per dialect. A policy is checked when it is written, because a value
// that the store refuses would fail every upload.
import { utf8 } from '../bytes/encoding.ts'

interface ObjectHeaderRules {
  acls: readonly string[]
  storageClasses: readonly string[]
  /** By algorithm: which other fields go with it. */
  encryptions: Readonly<Record<string, { keyId: boolean; dataEncryptions: readonly string[] }>>
  maxTags: number
  tagText: RegExp
  /** Of all user metadata with their full header names, including the stamp. */
  maxMetadataBytes: number
  /** Of the prefix that makes a name of user metadata a header. */
  metadataPrefixBytes: number
}

/** Names of user metadata that begin so are the service's own, such as the stamp's. */
export const RESERVED_METADATA = 'countersign-'

/** The longest stamp: the name without the store's prefix, and the session's id. */
const STAMP_BYTES = 'countersign-upload'.length + 64

/** Source: Alibaba Cloud OSS, "PutObject", "Storage classes", "Server-side encryption", "Object tagging". */
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
} as const satisfies Record<string, ObjectHeaderRules>

export interface ObjectHeaderFault {
  path: string[]
  message: string
}

type Faults = Array<ObjectHeaderFault | false | undefined>

const oneOf = (values: readonly string[]) => `must be one of ${values.join(', ')}`

/** Empty if the store accepts the headers. */
export function objectHeaderFaults(
  headers: ObjectHeaders,
  rules: ObjectHeaderRules,
): ObjectHeaderFault[] {
  const { acl, storageClass } = headers
  const faults: Faults = [
    acl !== undefined && !rules.acls.includes(acl) && { path: ['acl'], message: oneOf(rules.acls) },
    storageClass !== undefined &&
      !rules.storageClasses.includes(storageClass) && {
        path: ['storageClass'],
        message: oneOf(rules.storageClasses),
      },
    ...encryptionFaults(headers, rules),
    ...tagFaults(headers.tags ?? {}, rules),
    ...metadataFaults(headers.metadata ?? {}, rules),
  ]
  return faults.filter((fault) => fault !== false && fault !== undefined)
}

function encryptionFaults(headers: ObjectHeaders, { encryptions }: ObjectHeaderRules): Faults {
  const {
    serverSideEncryption: algorithm,
    serverSideEncryptionKeyId: keyId,
    serverSideDataEncryption: dataEncryption,
  } = headers
  const row =
    algorithm && Object.hasOwn(encryptions, algorithm) ? encryptions[algorithm] : undefined
  const dataEncryptions = row?.dataEncryptions ?? []
  return [
    algorithm !== undefined &&
      !row && { path: ['serverSideEncryption'], message: oneOf(Object.keys(encryptions)) },
    keyId !== undefined &&
      !row?.keyId && {
        path: ['serverSideEncryptionKeyId'],
        message: 'needs "serverSideEncryption": "KMS"',
      },
    dataEncryption !== undefined &&
      !dataEncryptions.includes(dataEncryption) && {
        path: ['serverSideDataEncryption'],
        message: 'is "SM4", and needs "serverSideEncryption": "KMS"',
      },
  ]
}

function tagFaults(tags: Record<string, string>, { maxTags, tagText }: ObjectHeaderRules): Faults {
  const entries = Object.entries(tags)
  return [
    entries.length > maxTags && { path: ['tags'], message: `has at most ${maxTags} tags` },
    ...entries.map(
      ([key, value]) =>
        !(tagText.test(key) && tagText.test(value)) && {
          path: ['tags', key],
          message: 'is made of letters, digits, spaces and + - = . _ : /',
        },
    ),
  ]
}

function metadataFaults(
  metadata: Record<string, string>,
  { maxMetadataBytes, metadataPrefixBytes }: ObjectHeaderRules,
): Faults {
  const entries = Object.entries(metadata)
  const bytes = entries.reduce(
    (sum, [name, value]) => sum + metadataPrefixBytes + name.length + utf8(value).length,
    metadataPrefixBytes + STAMP_BYTES,
  )
  return [
    bytes > maxMetadataBytes && {
      path: ['metadata'],
      message: `has at most ${maxMetadataBytes} bytes together with its header names and the stamp`,
    },
    ...entries.map(
      ([name]) =>
        name.startsWith(RESERVED_METADATA) && {
          path: ['metadata', name],
          message: `must not begin with "${RESERVED_METADATA}": such names are the service’s own`,
        },
    ),
  ]
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
