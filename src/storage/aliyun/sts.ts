// Temporary credentials for clients: AssumeRole with a session policy narrowed to one key or one prefix.
// Source: Alibaba Cloud STS, "AssumeRole"; Alibaba Cloud RAM, "Policy structure and syntax".
import { utf8 } from '../../bytes/encoding.ts'
import type { CredentialScope, TemporaryCredentials } from '../../core/ports/object-store.ts'
import { StoreFailure } from '../../core/ports/store-failure.ts'
import { type ApiOptions, apiCaller } from './api.ts'

/** "AssumeRole", parameter Policy. */
const MAX_POLICY_BYTES = 2048
const VERSION = '2015-04-01'

export interface StsOptions extends ApiOptions {
  roleArn: string
  bucket: string
  /** False on Workers, where a request must not wait for a promise of another. */
  sharePromises?: boolean
}

/** The actions of an upload by a client's own SDK, on one key or below one prefix. Callers have refused wildcards. */
export function sessionPolicy(bucket: string, scope: CredentialScope): string | undefined {
  const object = 'key' in scope ? scope.key : `${scope.prefix}*`
  const policy = JSON.stringify({
    Version: '1',
    Statement: [
      {
        Effect: 'Allow',
        Action: ['oss:PutObject', 'oss:AbortMultipartUpload', 'oss:ListParts'],
        Resource: [`acs:oss:*:*:${bucket}/${object}`],
      },
    ],
  })
  return utf8(policy).length <= MAX_POLICY_BYTES ? policy : undefined
}

/** Throws StoreFailure. Only concurrent calls for the same session and scope share an answer. */
export function stsClient(options: StsOptions) {
  const { sharePromises = true } = options
  const running = new Map<string, Promise<TemporaryCredentials>>()
  const call = apiCaller(VERSION, options)

  async function assumeRole(session: string, policy: string, seconds: number) {
    const form = {
      DurationSeconds: String(seconds),
      Policy: policy,
      RoleArn: options.roleArn,
      RoleSessionName: session,
    }
    return readAnswer(await call('AssumeRole', { form }))
  }

  return async function issue(scope: CredentialScope, session: string, seconds: number) {
    const policy = sessionPolicy(options.bucket, scope)
    if (policy === undefined) throw new StoreFailure('refused', 'PolicyTooLong', 0)
    const sharedBy = `${session}\n${policy}`
    const shared = running.get(sharedBy)
    if (shared && sharePromises) return shared
    const issuing = assumeRole(session, policy, seconds).finally(() => running.delete(sharedBy))
    running.set(sharedBy, issuing)
    return issuing
  }
}

function readAnswer(body: Record<string, unknown>): TemporaryCredentials {
  const credentials = body.Credentials as Record<string, string> | undefined
  const { AccessKeyId, AccessKeySecret, SecurityToken, Expiration } = credentials ?? {}
  const expiresAt = new Date(Expiration ?? '')
  if (!AccessKeyId || !AccessKeySecret || !SecurityToken || !+expiresAt) {
    throw new StoreFailure('ambiguous', 'UnreadableAnswer', 200)
  }
  return {
    accessKeyId: AccessKeyId,
    secretAccessKey: AccessKeySecret,
    sessionToken: SecurityToken,
    expiresAt,
  }
}
