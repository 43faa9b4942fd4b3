// A bearer token becomes a Credential. Which kinds a route takes is the route's to say; here it is only proved what came.
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

/** Undefined for anything that could not be verified. An expired upload or completion token comes back as such. */
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
      return {
        kind: 'upload',
        appId: opened.app,
        token: opened,
        expired: isExpired(opened, clock()),
      }
    }
    case 'completion': {
      const opened = await openToken(tokenKeys, 'completion', token)
      if (!opened) return undefined
      return {
        kind: 'completion',
        appId: opened.app,
        token: opened,
        expired: isExpired(opened, clock()),
      }
    }
    case undefined:
      return verifyJwt(authentication, token)
  }
}
