// AssumeRole of STS, on the store's own address: the request's ACS3 signature is verified from the bytes received, and
// the credentials that it answers are narrowed by the session policy. Source: Alibaba Cloud STS, "AssumeRole".
import { randomBytes } from 'node:crypto'
import { equalInConstantTime } from '../../../core/bytes.ts'
import {
  ACS3_ALGORITHM,
  acs3CanonicalRequest,
  acs3Signature,
  acs3StringToSign,
} from '../../../signing/acs3.ts'
import { sha256Hex } from '../../../signing/hmac.ts'
import type { Reply } from '../services.ts'
import { percentDecode, type WireRequest } from '../wire.ts'
import type { Keyring } from './keyring.ts'
import { parseSessionPolicy } from './session-policy.ts'

const SKEW_MS = 15 * 60 * 1000
const MAX_POLICY_BYTES = 1024
const DURATION = { least: 900, usual: 3600, most: 43_200 }
/** Nonces are remembered for as long as their date is accepted. */
const MAX_NONCES = 10_000

export interface AssumeRoleOptions {
  accessKeyId: string
  secretAccessKey: string
  clock: () => Date
  keyring: Keyring
}

interface Fault {
  status: number
  code: string
  message: string
}

const fault = (code: string, message: string, status = 400): Fault => ({ status, code, message })

export const isAssumeRole = ({ method, rawPath, headers }: WireRequest): boolean =>
  method === 'POST' && rawPath === '/' && headers['x-acs-action'] !== undefined

export function roleAssumer(options: AssumeRoleOptions) {
  const { clock, keyring } = options
  const nonces = new Map<string, number>()

  function checkNonce(nonce: string, now: number): Fault | undefined {
    for (const [old, until] of nonces) {
      if (until > now && nonces.size < MAX_NONCES) break
      nonces.delete(old)
    }
    if (!nonce || nonces.has(nonce)) {
      return fault('SignatureNonceUsed', 'The signature nonce was used already.')
    }
    nonces.set(nonce, now + 2 * SKEW_MS)
    return undefined
  }

  function answer(wire: WireRequest, body: string): Fault | Record<string, unknown> {
    const wrong = verify(wire, body, options) ?? checkNonce(nonceOf(wire), clock().getTime())
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

const nonceOf = ({ headers }: WireRequest) => headers['x-acs-signature-nonce'] ?? ''

/** Undefined where the signature holds. */
function verify(
  { method, query, headers }: WireRequest,
  body: string,
  { accessKeyId, secretAccessKey, clock }: AssumeRoleOptions,
): Fault | undefined {
  const claim =
    /^ACS3-HMAC-SHA256 Credential=([^,]+),\s*SignedHeaders=([^,]+),\s*Signature=([0-9a-f]{64})$/.exec(
      headers.authorization ?? '',
    )
  if (!claim) return fault('MissingAuthorization', `Sign with ${ACS3_ALGORITHM}.`)
  const [, id = '', list = '', signature = ''] = claim
  if (!equalInConstantTime(id, accessKeyId)) {
    return fault('InvalidAccessKeyId.NotFound', 'The access key id is not known.', 404)
  }
  const date = Date.parse(headers['x-acs-date'] ?? '')
  if (!(Math.abs(clock().getTime() - date) <= SKEW_MS)) {
    return fault('InvalidTimeStamp.Expired', 'x-acs-date is more than 15 minutes off.')
  }
  if (headers['x-acs-content-sha256'] !== sha256Hex(body)) {
    return fault('InvalidContentSha256', 'x-acs-content-sha256 is not the hash of the body.')
  }
  const names = list.split(';')
  const unsigned = Object.keys(headers).filter(
    (name) => (name === 'host' || name.startsWith('x-acs-')) && !names.includes(name),
  )
  if (unsigned.length) return fault('IncompleteSignature', `Not signed: ${unsigned.join(', ')}.`)
  const canonical = acs3CanonicalRequest({ method, path: '/', query: [...query], headers }, names)
  if (equalInConstantTime(acs3Signature(secretAccessKey, acs3StringToSign(canonical)), signature)) {
    return undefined
  }
  return fault('SignatureDoesNotMatch', 'The signature does not match.')
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
