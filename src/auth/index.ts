// Verifies a bearer token of any kind. The route decides which kinds of credential it accepts.
import type { Credential } from '../core/principal.ts'
import {
  type CompletionToken,
  claimedKind,
  isExpired,
  type TokenKeys,
  type UploadToken,
} from '../core/token.ts'
import { looksLikeApiKey, verifyApiKey } from './api-key.ts'
import { type JwtServices, verifyJwt } from './jwt.ts'
import { openRemembered } from './opened-tokens.ts'

export interface Authentication extends JwtServices {
  tokenKeys: TokenKeys
}

const MAX_TOKEN_LENGTH = 16_384

/** Returns undefined for an invalid token. Expired grants, upload tokens and completion tokens are returned with `expired`. */
export async function verifyCredential(
  authentication: Authentication,
  token: string,
): Promise<Credential | undefined> {
  const { tokenKeys, clock, apps } = authentication
  if (token.length > MAX_TOKEN_LENGTH) return undefined
  if (looksLikeApiKey(token)) return verifyApiKey(apps, token)
  switch (claimedKind(token)) {
    case 'grant': {
      const grant = await openRemembered(tokenKeys, 'grant', token, clock())
      if (!grant) return undefined
      const { app: appId, subject } = grant
      return { kind: 'grant', appId, subject, grant, expired: isExpired(grant, clock()) }
    }
    case 'upload': {
      const opened = await openRemembered(tokenKeys, 'upload', token, clock())
      return opened && { kind: 'upload', ...ofSession(opened, clock()) }
    }
    case 'completion': {
      const opened = await openRemembered(tokenKeys, 'completion', token, clock())
      return opened && { kind: 'completion', ...ofSession(opened, clock()) }
    }
    case undefined:
      return verifyJwt(authentication, token)
  }
}

const ofSession = <Token extends UploadToken | CompletionToken>(token: Token, now: Date) => ({
  appId: token.app,
  token,
  expired: isExpired(token, now),
})
