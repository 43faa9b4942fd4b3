// What OSS offers and this store refuses, by name. A request is never taken for a plain PUT or GET instead.
// Source: Alibaba Cloud OSS, "List of operations by function".

/** Settings of the bucket that are read, written and removed under one query parameter. */
const SETTINGS: Record<string, string> = {
  encryption: 'BucketEncryption',
  inventory: 'BucketInventory',
  logging: 'BucketLogging',
  policy: 'BucketPolicy',
  publicAccessBlock: 'BucketPublicAccessBlock',
  replication: 'BucketReplication',
  tagging: 'BucketTags',
  website: 'BucketWebsite',
}
const VERBS = { GET: 'Get', PUT: 'Put', DELETE: 'Delete' }

/** Route → operation, written as in the table of operations. */
export const REFUSED: Record<string, string> = {
  'POST /key?append': 'AppendObject',
  'POST /key?seal': 'SealAppendObject',
  'PUT /key?acl': 'PutObjectAcl',
  'PUT /key?tagging': 'PutObjectTagging',
  'GET /key?tagging': 'GetObjectTagging',
  'DELETE /key?tagging': 'DeleteObjectTagging',
  'PUT /key?symlink': 'PutSymlink',
  'GET /key?symlink': 'GetSymlink',
  'POST /key?restore': 'RestoreObject',
  'POST /key?cleanRestoredObject': 'CleanRestoredObject',
  'GET /key?x-oss-process': 'GetObject with x-oss-process',
  'POST /key?x-oss-process': 'ProcessObject',
  'POST /key?x-oss-async-process': 'AsyncProcessObject',
  'PUT /key?live': 'PutLiveChannel',
  'GET /?live': 'ListLiveChannel',
  'PUT /': 'PutBucket',
  'DELETE /': 'DeleteBucket',
  'GET /?bucketInfo': 'GetBucketInfo',
  'GET /?location': 'GetBucketLocation',
  'GET /?stat': 'GetBucketStat',
  'GET /?versions': 'ListObjectVersions',
  'PUT /?referer': 'PutBucketReferer',
  'GET /?referer': 'GetBucketReferer',
  'POST /?asyncFetch': 'PutAsyncFetchTask',
  'GET /?asyncFetch': 'GetAsyncFetchTask',
  'POST /?metaQuery': 'DoMetaQuery',
  ...Object.fromEntries(
    Object.entries(SETTINGS).flatMap(([parameter, noun]) =>
      Object.entries(VERBS).map(([method, verb]) => [`${method} /?${parameter}`, `${verb}${noun}`]),
    ),
  ),
}

/** Parameters that give any request another meaning. */
export const NO_OPERATION = ['versionId', 'rtmp']
