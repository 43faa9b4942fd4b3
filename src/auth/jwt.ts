// Verifies user JWTs of registered issuers. (iss, aud) finds the registration, and only its keys and algorithms count.
import {
  createLocalJWKSet,
  decodeJwt,
  errors,
  importJWK,
  type JWK,
  type JWTPayload,
  type JWTVerifyGetKey,
  jwtVerify,
} from 'jose'
import { isStorable, utf8 } from '../bytes/encoding.ts'
import { meetsConditions } from '../core/claims.ts'
import type { AppsDb, Issuer } from '../core/ports/apps.ts'
import type { JwtPrincipal } from '../core/principal.ts'
import type { JwksCache } from './jwks.ts'

const CLOCK_TOLERANCE_SECONDS = 5
const MAX_SUBJECT_LENGTH = 255
const MAX_AUDIENCES = 20

export interface JwtServices {
  apps: AppsDb
  jwks: JwksCache
  clock: () => Date
}

function audiencesOf({ aud }: JWTPayload): string[] {
  const list = Array.isArray(aud) ? aud : [aud]
  return list.filter((entry): entry is string => typeof entry === 'string').slice(0, MAX_AUDIENCES)
}

async function check(
  { jwks, clock }: JwtServices,
  issuer: Issuer,
  token: string,
): Promise<JWTPayload> {
  const options = {
    algorithms: issuer.algorithms,
    issuer: issuer.issuer,
    audience: issuer.audience,
    requiredClaims: ['exp', issuer.subjectClaim],
    clockTolerance: CLOCK_TOLERANCE_SECONDS,
    currentDate: clock(),
  }
  const verifyWith = async (keys: JWTVerifyGetKey) =>
    (await jwtVerify(token, keys, options)).payload
  if (issuer.secret !== undefined) {
    return (await jwtVerify(token, utf8(issuer.secret), options)).payload
  }
  if (issuer.publicKeys) {
    const [only] = issuer.publicKeys as JWK[]
    if (issuer.publicKeys.length === 1 && only && only.kid === undefined) {
      const key = await importJWK({ ...only, alg: only.alg ?? issuer.algorithms[0] })
      return (await jwtVerify(token, key, options)).payload
    }
    return verifyWith(createLocalJWKSet({ keys: issuer.publicKeys as JWK[] }))
  }
  const url = issuer.jwksUrl!
  const keys = await jwks(url)
  if (!keys) throw new errors.JWKSNoMatchingKey()
  try {
    return await verifyWith(keys)
  } catch (error) {
    if (!(error instanceof errors.JWKSNoMatchingKey)) throw error
    const newer = await jwks(url, 'newer')
    if (!newer) throw error
    return verifyWith(newer)
  }
}

/** Returns undefined unless the token is valid for exactly one registration. */
export async function verifyJwt(
  services: JwtServices,
  token: string,
): Promise<JwtPrincipal | undefined> {
  try {
    const unverified = decodeJwt(token)
    if (typeof unverified.iss !== 'string') return undefined
    const audiences = audiencesOf(unverified)
    // Nothing is verified yet, and the database refuses a query with text that it cannot store.
    if (![unverified.iss, ...audiences].every(isStorable)) return undefined
    const found = await services.apps.findIssuers(unverified.iss, audiences)
    const [issuer] = found
    if (!issuer || found.length !== 1) return undefined
    const payload = await check(services, issuer, token)
    if (!meetsConditions(issuer.claims ?? {}, payload)) return undefined
    const issuerSubject = payload[issuer.subjectClaim]
    if (typeof issuerSubject !== 'string' || issuerSubject === '') return undefined
    const subject = issuer.subjectPrefix + issuerSubject
    if (subject.length > MAX_SUBJECT_LENGTH) return undefined
    const claimed = issuer.policyClaim ? payload[issuer.policyClaim] : undefined
    if (!isStorable(subject) || !isStorable(String(claimed))) return undefined
    return {
      kind: 'jwt',
      appId: issuer.appId,
      subject,
      issuerId: issuer.issuerId,
      issuerSubject,
      policies: issuer.policies,
      claimedPolicy: typeof claimed === 'string' ? claimed : undefined,
    }
  } catch (error) {
    if (error instanceof errors.JOSEError || error instanceof TypeError) return undefined
    throw error
  }
}
