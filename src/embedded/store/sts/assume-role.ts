// AssumeRole of STS, on the store's own address. It answers temporary credentials that the session policy narrows.
// Source: Alibaba Cloud STS, "AssumeRole".
import { randomBytes } from 'node:crypto'
import type { Reply, StoreServices } from '../services.ts'
import { percentDecode, type WireRequest } from '../wire.ts'
import { parseSessionPolicy } from './session-policy.ts'
import { fault } from './verify-acs3.ts'

const MAX_POLICY_BYTES = 2048
const DURATION_SECONDS = { min: 900, usual: 3600, max: 43_200 }

type StsServices = Pick<StoreServices, 'clock' | 'keyring' | 'verifyAcs3'>

export const isAssumeRole = ({ method, rawPath, headers }: WireRequest): boolean =>
  method === 'POST' && rawPath === '/' && headers['x-acs-action'] !== undefined

export function assumeRole(
  wire: WireRequest,
  body: string,
  requestId: string,
  services: StsServices,
): Reply {
  const result = issueCredentials(wire, body, services)
  const answer = (status: number, members: object): Reply => ({
    status,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...members, RequestId: requestId }),
  })
  if (!('code' in result)) return answer(200, result)
  const { status, code, message } = result
  return answer(status, { Code: code, Message: message, HostId: 'embedded' })
}

function issueCredentials(
  wire: WireRequest,
  body: string,
  { clock, keyring, verifyAcs3 }: StsServices,
) {
  const wrong = verifyAcs3(wire, body)
  if (wrong) return wrong
  const { 'x-acs-action': action, 'x-acs-version': version } = wire.headers
  if (action !== 'AssumeRole' || version !== '2015-04-01') {
    return fault('InvalidAction.NotFound', 'Only AssumeRole of version 2015-04-01 is offered.', 404)
  }
  const role = readRole(new Map([...wire.query, ...readForm(body)]))
  if ('code' in role) return role
  const { arn, session, seconds, policy } = role
  const expiresAt = new Date((Math.floor(clock().getTime() / 1000) + seconds) * 1000)
  const issued = keyring.issue(`STS.${randomBytes(12).toString('hex')}`, expiresAt, policy)
  return {
    Credentials: {
      AccessKeyId: issued.accessKeyId,
      AccessKeySecret: issued.secretAccessKey,
      SecurityToken: issued.sessionToken,
      Expiration: expiresAt.toISOString().replace('.000Z', 'Z'),
    },
    AssumedRoleUser: {
      Arn: `${arn.replace(':role/', ':assumed-role/')}/${session}`,
      AssumedRoleId: `embedded:${session}`,
    },
  }
}

function readForm(body: string): Array<[string, string]> {
  if (body === '') return []
  return body.split('&').map((pair) => {
    const [name = '', value = ''] = pair.split('=')
    return [percentDecode(name) ?? '', percentDecode(value.replaceAll('+', ' ')) ?? '']
  })
}

function readRole(parameters: ReadonlyMap<string, string>) {
  const arn = parameters.get('RoleArn') ?? ''
  const session = parameters.get('RoleSessionName') ?? ''
  const policy = parameters.get('Policy')
  const seconds = Number(parameters.get('DurationSeconds') ?? DURATION_SECONDS.usual)
  if (!/^acs:ram::\d+:role\/[\w.-]{1,64}$/.test(arn)) {
    return fault('InvalidParameter.RoleArn', 'RoleArn is not the ARN of a role.')
  }
  if (!/^[\w.@-]{2,64}$/.test(session)) {
    return fault('InvalidParameter.RoleSessionName', '2 to 64 of letters, digits and . @ - _')
  }
  const { min, max } = DURATION_SECONDS
  if (!Number.isInteger(seconds) || seconds < min || seconds > max) {
    return fault('InvalidParameter.DurationSeconds', '900 to 43200 seconds.')
  }
  if (policy !== undefined && Buffer.byteLength(policy) > MAX_POLICY_BYTES) {
    return fault('InvalidParameter.PolicySize', 'The policy is longer than 2048 bytes.')
  }
  if (policy !== undefined && !parseSessionPolicy(policy)) {
    return fault('InvalidParameter.PolicyGrammar', 'The policy is not valid.')
  }
  return { arn, session, policy, seconds }
}
