// The least RAM policies of Alibaba Cloud: for the service's key, for `bucket apply`, and for a role for STS.
// Source: Alibaba Cloud OSS, "RAM policies": actions, and resources as acs:oss:*:*:bucket[/key].

export interface RamPolicy {
  Version: '1'
  Statement: ReadonlyArray<{ Effect: 'Allow'; Action: readonly string[]; Resource: string[] }>
}

export interface RamOptions {
  /** Whether upload policies set object tags. */
  tags?: boolean
}

const policy = (...statements: Array<[actions: readonly string[], resources: string[]]>) =>
  ({
    Version: '1',
    Statement: statements.map(([Action, Resource]) => ({ Effect: 'Allow', Action, Resource })),
  }) satisfies RamPolicy

const bucketResource = (bucket: string) => [`acs:oss:*:*:${bucket}`]
/** Prefixes end with a slash. Callers refuse `*` and `?`, which would be wildcards. */
const objectResources = (bucket: string, prefixes: readonly string[]) =>
  prefixes.map((prefix) => `acs:oss:*:*:${bucket}/${prefix}*`)

/** For the service's key. Callbacks need no permission of their own. */
export const ramPolicy = (
  bucket: string,
  prefixes: readonly string[],
  { tags = false }: RamOptions = {},
): RamPolicy =>
  policy(
    [
      [
        'oss:PutObject',
        'oss:GetObject',
        'oss:DeleteObject',
        'oss:DeleteObjectVersion',
        'oss:AbortMultipartUpload',
        'oss:ListParts',
        ...(tags ? ['oss:PutObjectTagging'] : []),
      ],
      objectResources(bucket, prefixes),
    ],
    [['oss:ListMultipartUploads'], bucketResource(bucket)],
  )

/** For whoever runs `countersign bucket apply`. */
export const setupPolicy = (bucket: string): RamPolicy =>
  policy([
    [
      'oss:GetBucketCors',
      'oss:PutBucketCors',
      'oss:GetBucketLifecycle',
      'oss:PutBucketLifecycle',
      'oss:GetBucketAcl',
      'oss:GetBucketVersioning',
    ],
    bucketResource(bucket),
  ])

/** For the role whose temporary credentials clients receive. A session policy narrows each of them further. */
export const rolePolicy = (bucket: string, prefixes: readonly string[]): RamPolicy =>
  policy([
    ['oss:PutObject', 'oss:AbortMultipartUpload', 'oss:ListParts'],
    objectResources(bucket, prefixes),
  ])

/** For the service's key, so that it can assume that role. */
export const assumeRolePolicy = (roleArn: string): RamPolicy =>
  policy([['sts:AssumeRole'], [roleArn]])

/**
 * For the service's key beside `ramPolicy`, one for each processing target. Intelligent Media Management does asynchronous
 * processing, and its service role reads the object. Media Processing has no permissions on single resources.
 * Source: Alibaba Cloud OSS, "Permissions" of IMM features; Alibaba Cloud MPS, "SubmitJobs".
 */
export const processingPolicies = (bucket: string, prefixes: readonly string[]) => {
  const objects = objectResources(bucket, prefixes)
  return {
    'oss-image': policy([['oss:PostProcessTask'], objects]),
    'oss-async': policy(
      [['oss:PostProcessTask', 'oss:ProcessImm'], objects],
      [['imm:CreateMediaConvertTask', 'imm:CreateOfficeConversionTask'], ['*']],
      [['ram:PassRole'], ['acs:ram:*:*:role/aliyunimmdefaultrole']],
    ),
    media: policy([['mts:SubmitJobs', 'mts:QueryJobList'], ['*']]),
  }
}
