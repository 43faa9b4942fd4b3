// Temporary credentials, for our own clients and in the JSON that the Android and iOS SDKs of OSS ask for.
import { verifyCredential } from '../auth/index.ts'
import * as contract from '../contract.ts'
import type { Principal } from '../core/principal.ts'
import { Problem } from '../core/problem.ts'
import { holderOf } from '../core/reach.ts'
import {
  createWithCredentials,
  credentialsForPrefix,
  credentialsOfGrant,
  type Issued,
  renewCredentials,
} from '../uploads/credentials.ts'
import { mintTokens } from '../uploads/tokens.ts'
import { principalFor } from './authenticate.ts'
import { readJson } from './body.ts'
import type { Request, Variables } from './environment.ts'
import { originsFor } from './present-upload.ts'
import { type Api, route } from './route.ts'

async function present(c: Request, principal: Principal, issued: Issued) {
  const { session, scope, store, expiresAt, allowedOrigins, ...keys } = issued
  const origins = originsFor(allowedOrigins)
  const services = c.get('services')
  const holder = holderOf(principal)
  const tokens = session && (await mintTokens(services, session, holder, origins))
  return {
    uploadId: session?.id,
    ...keys,
    expiresAt: expiresAt.toISOString(),
    ...store.location,
    ...scope,
    ...tokens,
  }
}

async function issueFor(
  services: Variables['services'],
  principal: Principal,
  { prefix, uploadId, filename, ...rest }: contract.CreateCredentialsBody,
): Promise<Issued> {
  if (uploadId !== undefined) return renewCredentials(services, principal, uploadId)
  if (filename !== undefined) {
    return createWithCredentials(services, principal, { filename, ...rest })
  }
  return credentialsForPrefix(services, principal, { prefix: prefix!, ...rest })
}

export function credentialRoutes(api: Api): void {
  route(
    api,
    {
      method: 'post',
      path: '/v1/credentials',
      summary: 'Temporary credentials for one key (or, with an api key, for a prefix)',
      security: ['owner'],
      body: contract.createCredentials,
      answers: { 201: contract.createdCredentials },
    },
    async (c) => {
      const principal = await principalFor(c, 'credentials')
      const body = await readJson(c, contract.createCredentials)
      const issued = await issueFor(c.get('services'), principal, body)
      c.header('cache-control', 'no-store')
      return c.json(await present(c, principal, issued), 201)
    },
  )

  // The SDKs read the body of 2xx answers only, so a refusal is 200, too.
  route(
    api,
    {
      method: 'get',
      path: '/oss/credentials/{grant}',
      summary: 'As the auth-server providers of the Android and iOS SDKs read it',
      answers: { 200: contract.mobileCredentials },
    },
    async (c) => {
      c.header('cache-control', 'no-store')
      c.header('referrer-policy', 'no-referrer')
      try {
        const services = c.get('services')
        const token = c.req.param('grant') ?? ''
        const credential = await verifyCredential(services.authentication, token)
        if (credential?.kind !== 'grant') {
          throw new Problem('unauthenticated', { detail: 'The grant is not valid.' })
        }
        const issued = await credentialsOfGrant(services, credential)
        return c.json({
          StatusCode: 200,
          AccessKeyId: issued.accessKeyId,
          AccessKeySecret: issued.secretAccessKey,
          SecurityToken: issued.sessionToken,
          Expiration: issued.expiresAt.toISOString().replace('.000Z', 'Z'),
        })
      } catch (error) {
        if (!(error instanceof Problem)) throw error
        return c.json({ StatusCode: 500, ErrorCode: error.code, ErrorMessage: error.message })
      }
    },
  )
}
