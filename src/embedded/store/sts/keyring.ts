// The store's own key, and temporary credentials. A security token carries its permissions and is authenticated with the
// store's secret, so that the store keeps no list of tokens and every token survives a restart.
import { createHmac } from 'node:crypto'
import {
  base64url,
  equalInConstantTime,
  fromBase64url,
  fromUtf8,
  utf8,
} from '../../../bytes/encoding.ts'
import { denied, refusal } from '../refusal.ts'
import type { Address } from '../wire.ts'
import { allows, parseSessionPolicy, type SessionPolicy } from './session-policy.ts'

export interface Keyholder {
  /** True for the store's own key, false for temporary credentials. */
  own: boolean
  accessKeyId: string
  secretAccessKey: string
  /** Undefined means that everything is allowed. */
  policy?: SessionPolicy
}

interface TokenClaims {
  id: string
  /** Milliseconds since the epoch. */
  until: number
  policy?: string
}

export type Keyring = ReturnType<typeof keyring>

/** The key that signs everything, and the time. */
export interface StoreKey {
  accessKeyId: string
  secretAccessKey: string
  clock: () => Date
}

export function keyring({ accessKeyId, secretAccessKey, clock }: StoreKey) {
  const derive = (label: string, text: string) =>
    createHmac('sha256', secretAccessKey).update(`${label}\n${text}`).digest('base64url')

  function readToken(token: string): TokenClaims {
    const [body = '', mac = ''] = token.split('.')
    const bytes = fromBase64url(body)
    if (!bytes || !equalInConstantTime(derive('token', body), mac)) {
      throw refusal('InvalidSecurityToken', { ec: '0002-00000008' })
    }
    return JSON.parse(fromUtf8(bytes)) as TokenClaims // minted here: the MAC proves the shape
  }

  return {
    /** Throws InvalidAccessKeyId, InvalidSecurityToken, SecurityTokenExpired. */
    holder(id: string, sessionToken: string | undefined): Keyholder {
      if (sessionToken === undefined) {
        if (equalInConstantTime(id, accessKeyId)) return { own: true, accessKeyId, secretAccessKey }
        throw refusal('InvalidAccessKeyId', { elements: { OSSAccessKeyId: id } })
      }
      const claims = readToken(sessionToken)
      if (claims.id !== id) throw refusal('AccessKeyIdAndSecurityTokenNotMatch')
      if (claims.until <= clock().getTime()) throw refusal('SecurityTokenExpired')
      return {
        own: false,
        accessKeyId: id,
        secretAccessKey: derive('secret', id),
        policy: claims.policy === undefined ? undefined : parseSessionPolicy(claims.policy),
      }
    },

    issue(id: string, expiresAt: Date, policy: string | undefined) {
      const claims: TokenClaims = { id, until: expiresAt.getTime(), policy }
      const body = base64url(utf8(JSON.stringify(claims)))
      return {
        accessKeyId: id,
        secretAccessKey: derive('secret', id),
        sessionToken: `${body}.${derive('token', body)}`,
      }
    },
  }
}

/** Throws AccessDenied if the session policy does not allow the action. */
export function authorise(holder: Keyholder, action: string, { bucket, key }: Address): void {
  if (!holder.policy) return
  const resource = `acs:oss:local:embedded:${key ? `${bucket}/${key}` : bucket}`
  if (allows(holder.policy, action, resource)) return
  throw denied(`The session policy does not allow ${action} here.`, '0003-00000001')
}
