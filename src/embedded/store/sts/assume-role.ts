// AssumeRole of STS, on the store's own address: what it answers is narrowed by the session policy.
// Source: Alibaba Cloud STS, "AssumeRole".
import { randomBytes } from 'node:crypto'
import type { Reply } from '../services.ts'
import { percentDecode, type WireRequest } from '../wire.ts'
import type { Keyring } from './keyring.ts'
import { parseSessionPolicy } from './session-policy.ts'
import { acs3Verifier, type Fault, fault } from './verify-acs3.ts'

const MAX_POLICY_BYTES = 1024
const DURATION = { least: 900, usual: 3600, most: 43_200 }

export interface AssumeRoleOptions {
  accessKeyId: string
  secretAccessKey: string
  clock: () => Date
  keyring: Keyring
}

export const isAssumeRole = ({ method, rawPath, headers }: WireRequest): boolean =>
  method === 'POST' && rawPath === '/' && headers['x-acs-action'] !== undefined

export function roleAssumer(options: AssumeRoleOptions) {
  const { clock, keyring } = options
  const verify = acs3Verifier(options)

  function answer(wire: WireRequest, body: string): Fault | Record<string, unknown> {
    const wrong = verify(wire, body)
    if (wrong) return wrong
    const { 'x-acs-action': action, 'x-acs-version': version } = wire.headers
    if (action !== 'AssumeRole' || version !== '2015-04-01') {
      return fault(
        'InvalidAction.NotFound',
        'Only AssumeRole of version 2015-04-01 is offered.',
        404,
      )
    }
    const form = readForm(body)
    const parameters = new Map([...wire.query, ...form])
    const role = readRole(parameters)
    if ('code' in role) return role
    const until = new Date(Math.floor(clock().getTime() / 1000) * 1000 + role.seconds * 1000)
    const issued = keyring.issue(`STS.${randomBytes(12).toString('hex')}`, until, role.policy)
    return {
      Credentials: {
        AccessKeyId: issued.accessKeyId,
        AccessKeySecret: issued.secretAccessKey,
        SecurityToken: issued.sessionToken,
        Expiration: until.toISOString().replace('.000Z', 'Z'),
      },
      AssumedRoleUser: {
        Arn: `${role.arn.replace(':role/', ':assumed-role/')}/${role.session}`,
        AssumedRoleId: `embedded:${role.session}`,
      },
    }
  }

  return function assumeRole(wire: WireRequest, body: string, requestId: string): Reply {
    const result = answer(wire, body)
    const failed = 'code' in result
    return {
      status: failed ? (result as Fault).status : 200,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(
        failed
          ? { Code: result.code, Message: result.message, RequestId: requestId, HostId: 'embedded' }
          : { RequestId: requestId, ...result },
      ),
    }
  }
}

function readForm(body: string): Array<[string, string]> {
  if (body === '') return []
  return body.split('&').map((pair) => {
    const [name = '', value = ''] = pair.split('=')
    return [percentDecode(name) ?? '', percentDecode(value.replaceAll('+', ' ')) ?? '']
  })
}

/** The parameters of the call, within the narrower of the documented limits. */
function readRole(parameters: ReadonlyMap<string, string>) {
  const arn = parameters.get('RoleArn') ?? ''
  const session = parameters.get('RoleSessionName') ?? ''
  const policy = parameters.get('Policy')
  const seconds = Number(parameters.get('DurationSeconds') ?? DURATION.usual)
  if (!/^acs:ram::\d+:role\/[\w.-]{1,64}$/.test(arn)) {
    return fault('InvalidParameter.RoleArn', 'RoleArn is not the ARN of a role.')
  }
  if (!/^[\w.@-]{2,32}$/.test(session)) {
    return fault('InvalidParameter.RoleSessionName', '2 to 32 of letters, digits and . @ - _')
  }
  if (!Number.isInteger(seconds) || seconds < DURATION.least || seconds > DURATION.most) {
    return fault('InvalidParameter.DurationSeconds', '900 to 43200 seconds.')
  }
  if (policy !== undefined && Buffer.byteLength(policy) > MAX_POLICY_BYTES) {
    return fault('InvalidParameter.PolicySize', 'The policy is longer than 1024 bytes.')
  }
  if (policy !== undefined && !parseSessionPolicy(policy)) {
    return fault('InvalidParameter.PolicyGrammar', 'The policy is not valid.')
  }
  return { arn, session, policy, seconds }
}
