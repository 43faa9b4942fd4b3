// The least that Alibaba Cloud's RAM has to allow: to the service's key, to `bucket apply`, and to a role for STS.
// Source: Alibaba Cloud OSS, "RAM policies": actions, and resources as acs:oss:*:*:bucket[/key].

export interface RamPolicy {
  Version: '1'
  Statement: ReadonlyArray<{ Effect: 'Allow'; Action: readonly string[]; Resource: string[] }>
}

export interface RamOptions {
  /** Policies give objects tags. */
  tags?: boolean
}

const policy = (...statements: Array<[actions: readonly string[], resources: string[]]>) =>
  ({
    Version: '1',
    Statement: statements.map(([Action, Resource]) => ({ Effect: 'Allow', Action, Resource })),
  }) satisfies RamPolicy

const bucketResource = (bucket: string) => [`acs:oss:*:*:${bucket}`]
/** Prefixes end with a slash. `*` and `?` in one would be wildcards: callers refuse them. */
const objectResources = (bucket: string, prefixes: readonly string[]) =>
  prefixes.map((prefix) => `acs:oss:*:*:${bucket}/${prefix}*`)

/** For the key that the service signs with. Callbacks need no permission of their own. */
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

/** Of the role whose temporary credentials clients are handed; each is narrowed further by its own session policy. */
export const rolePolicy = (bucket: string, prefixes: readonly string[]): RamPolicy =>
  policy([
    ['oss:PutObject', 'oss:AbortMultipartUpload', 'oss:ListParts'],
    objectResources(bucket, prefixes),
  ])

/** For the service's key, where it assumes that role. */
export const assumeRolePolicy = (roleArn: string): RamPolicy =>
  policy([['sts:AssumeRole'], [roleArn]])

/**
 * For the service's key, beside `ramPolicy`, one a target of a policy's processing rules. Asynchronous processing is done
 * by Intelligent Media Management, whose service role takes the object; Media Processing knows no single resources.
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
