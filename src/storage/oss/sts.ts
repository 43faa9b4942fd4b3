// Temporary credentials for clients: AssumeRole with a session policy narrowed to one key or one prefix.
// Source: Alibaba Cloud STS, "AssumeRole"; Alibaba Cloud RAM, "Policy structure and syntax".
import { utf8 } from '../../core/bytes.ts'
import type { CredentialScope, TemporaryCredentials } from '../../core/ports.ts'
import { StoreFailure } from '../../core/store-failure.ts'
import { type Acs3Credentials, signAcs3 } from '../../signing/acs3.ts'

/** The narrower of the documented limits, which holds on both. */
const MAX_POLICY_BYTES = 1024
const TIMEOUT_MS = 10_000

export interface StsOptions {
  endpoint: string
  roleArn: string
  bucket: string
  credentials: Acs3Credentials
  clock: () => Date
  fetch: typeof fetch
  newNonce: () => string
  /** False where a promise may not be awaited by two requests: Workers. */
  sharePromises?: boolean
}

/** What a client's own SDK needs for an upload, on one key or below one prefix. Wildcards have been refused before. */
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

/** Throws StoreFailure. Calls for the same session and scope that run at once share one answer; no others do. */
export function stsClient(options: StsOptions) {
  const { sharePromises = true } = options
  const running = new Map<string, Promise<TemporaryCredentials>>()

  async function assumeRole(session: string, policy: string, seconds: number) {
    const { endpoint, roleArn, credentials, clock, newNonce } = options
    const form = {
      DurationSeconds: seconds,
      Policy: policy,
      RoleArn: roleArn,
      RoleSessionName: session,
    }
    const signed = signAcs3(
      {
        method: 'POST',
        host: new URL(endpoint).host,
        query: {},
        action: 'AssumeRole',
        version: '2015-04-01',
        date: `${clock().toISOString().slice(0, 19)}Z`,
        nonce: newNonce(),
        contentType: 'application/x-www-form-urlencoded',
        body: new URLSearchParams(
          Object.entries(form).map(([name, value]) => [name, String(value)]),
        ).toString(),
      },
      credentials,
    )
    return readAnswer(await send(`${endpoint}/`, signed))
  }

  async function send(url: string, { headers, body }: ReturnType<typeof signAcs3>) {
    try {
      const signal = AbortSignal.timeout(TIMEOUT_MS)
      const answer = await options.fetch(url, {
        method: 'POST',
        redirect: 'manual',
        headers,
        body,
        signal,
      })
      return { status: answer.status, body: (await answer.json()) as Record<string, unknown> }
    } catch (cause) {
      throw new StoreFailure('ambiguous', 'NoAnswer', 0, cause)
    }
  }

  return async function issue(scope: CredentialScope, session: string, seconds: number) {
    const policy = sessionPolicy(options.bucket, scope)
    if (policy === undefined) throw new StoreFailure('refused', 'PolicyTooLong', 0)
    const sharedBy = `${session}\n${policy}`
    const shared = running.get(sharedBy)
    if (shared && sharePromises) return shared
    const call = assumeRole(session, policy, seconds).finally(() => running.delete(sharedBy))
    running.set(sharedBy, call)
    return call
  }
}

function readAnswer({ status, body }: { status: number; body: Record<string, unknown> }) {
  const credentials = body.Credentials as Record<string, string> | undefined
  const { AccessKeyId, AccessKeySecret, SecurityToken, Expiration } = credentials ?? {}
  const expiresAt = new Date(Expiration ?? '')
  if (status === 200 && AccessKeyId && AccessKeySecret && SecurityToken && +expiresAt) {
    return {
      accessKeyId: AccessKeyId,
      secretAccessKey: AccessKeySecret,
      sessionToken: SecurityToken,
      expiresAt,
    }
  }
  const code = typeof body.Code === 'string' ? body.Code : `Http${status}`
  throw new StoreFailure(status >= 400 && status < 500 ? 'refused' : 'ambiguous', code, status)
}
