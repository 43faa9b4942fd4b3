// The operations that the store refuses by name: query parameters that give a request another meaning.
import type { WireQuery } from './wire.ts'

/** The parameter alone says what is asked for. */
const NAMES: Record<string, string> = {
  append: 'AppendObject',
  cleanRestoredObject: 'CleanRestoredObject',
  'x-oss-async-process': 'AsyncProcessObject',
  'x-oss-process': 'ProcessObject',
  restore: 'RestoreObject',
  seal: 'SealAppendObject',
  versionId: 'an operation on one version',
  versions: 'ListObjectVersions',
}

/** Together with the method: `GET` and `Symlink` are `GetSymlink`. */
const OBJECT_NOUNS: Record<string, string> = {
  acl: 'ObjectAcl',
  asyncFetch: 'AsyncFetchTask',
  cors: 'ObjectCors',
  delete: 'ObjectDelete',
  lifecycle: 'ObjectLifecycle',
  live: 'LiveChannel',
  objectMeta: 'ObjectMeta',
  rtmp: 'LiveChannel',
  symlink: 'Symlink',
  tagging: 'ObjectTagging',
  versioning: 'ObjectVersioning',
}

const BUCKET_NOUNS: Record<string, string> = {
  accessmonitor: 'BucketAccessMonitor',
  asyncFetch: 'AsyncFetchTask',
  bucketArchiveDirectRead: 'BucketArchiveDirectRead',
  bucketInfo: 'BucketInfo',
  cname: 'Cname',
  delete: 'DeleteMultipleObjects',
  encryption: 'BucketEncryption',
  httpsConfig: 'BucketHttpsConfig',
  inventory: 'BucketInventory',
  live: 'LiveChannel',
  location: 'BucketLocation',
  logging: 'BucketLogging',
  metaQuery: 'MetaQuery',
  policy: 'BucketPolicy',
  publicAccessBlock: 'BucketPublicAccessBlock',
  referer: 'BucketReferer',
  replication: 'BucketReplication',
  requestPayment: 'BucketRequestPayment',
  resourceGroup: 'BucketResourceGroup',
  restore: 'Restore',
  rtmp: 'LiveChannel',
  stat: 'BucketStat',
  style: 'Style',
  symlink: 'Symlink',
  tagging: 'BucketTags',
  transferAcceleration: 'BucketTransferAcceleration',
  website: 'BucketWebsite',
  worm: 'BucketWorm',
}

/** Parameters without which a request means the same; they may be empty. */
const LISTING = [
  'prefix',
  'marker',
  'max-keys',
  'delimiter',
  'encoding-type',
  'list-type',
  'continuation-token',
  'start-after',
  'fetch-owner',
  'security-token',
]

export interface RefusedOperation {
  name: string
  parameter: string
}

/** Finds a parameter that asks for something else than `served`, the one that selects an operation of the table. */
export function refusedOperation(
  method: string,
  isBucket: boolean,
  query: WireQuery,
  served: string | undefined,
): RefusedOperation | undefined {
  const nouns = isBucket ? BUCKET_NOUNS : OBJECT_NOUNS
  for (const [parameter, value] of query) {
    if (parameter === served) continue
    const name = NAMES[parameter] ?? (nouns[parameter] && `${verbOf(method)}${nouns[parameter]}`)
    if (name) return { name, parameter }
    // A parameter without a value selects an operation, so a listing must not stand in for an unknown one.
    const isUnknown =
      value === '' && !LISTING.includes(parameter) && !parameter.startsWith('x-oss-')
    if (isBucket && served === undefined && isUnknown) {
      return { name: `${method} ?${parameter}`, parameter }
    }
  }
  return undefined
}

/** The name of a request to the bucket without a parameter. */
export const bucketOperation = (method: string): string => `${verbOf(method)}Bucket`

const verbOf = (method: string): string => method.charAt(0) + method.slice(1).toLowerCase()
