// Verifies a bearer token and returns a Credential. Each route decides which kinds it accepts.
import type { AppsDb } from '../core/ports/apps.ts'
import type { Credential } from '../core/principal.ts'
import { claimedKind, isExpired, openToken, type TokenKeys } from '../core/token.ts'
import { looksLikeApiKey, verifyApiKey } from './api-key.ts'
import type { JwksCache } from './jwks.ts'
import { verifyJwt } from './jwt.ts'

export interface Authentication {
  apps: AppsDb
  tokenKeys: TokenKeys
  jwks: JwksCache
  clock: () => Date
}

const MAX_TOKEN_LENGTH = 16_384

/** Undefined for anything that cannot be verified. An expired grant or token is returned, marked as expired. */
export async function verifyCredential(
  authentication: Authentication,
  token: string,
): Promise<Credential | undefined> {
  const { tokenKeys, clock, apps } = authentication
  if (token.length > MAX_TOKEN_LENGTH) return undefined
  if (looksLikeApiKey(token)) return verifyApiKey(apps, token)
  switch (claimedKind(token)) {
    case 'grant': {
      const grant = await openToken(tokenKeys, 'grant', token)
      if (!grant) return undefined
      const { app: appId, subject } = grant
      return { kind: 'grant', appId, subject, grant, expired: isExpired(grant, clock()) }
    }
    case 'upload': {
      const opened = await openToken(tokenKeys, 'upload', token)
      if (!opened) return undefined
      const expired = isExpired(opened, clock())
      return { kind: 'upload', appId: opened.app, token: opened, expired }
    }
    case 'completion': {
      const opened = await openToken(tokenKeys, 'completion', token)
      if (!opened) return undefined
      const expired = isExpired(opened, clock())
      return { kind: 'completion', appId: opened.app, token: opened, expired }
    }
    case undefined:
      return verifyJwt(authentication, token)
  }
}
