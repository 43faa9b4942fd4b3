// Temporary credentials, for our own clients and in the JSON that the Android and iOS SDKs of OSS ask for.
import * as contract from '../contract.ts'
import { type IssuedToPrincipal, issueCredentials, issueForGrant } from '../uploads/credentials.ts'
import { type Api, route } from './route.ts'

function present({ session, scope, store, expiresAt, tokens, ...keys }: IssuedToPrincipal) {
  return {
    uploadId: session?.id,
    ...keys,
    expiresAt: expiresAt.toISOString(),
    ...store.location,
    ...scope,
    ...tokens,
  }
}

export function credentialRoutes(api: Api): void {
  route(api, {
    method: 'post',
    path: '/v1/credentials',
    summary: 'Temporary credentials for one key (or, with an api key, for a prefix)',
    credentials: ['owner'],
    grantUse: 'credentials',
    body: contract.createCredentials,
    answers: { 201: contract.createdCredentials },
    headers: { 'cache-control': 'no-store' },
    handle: async (c, { services, credential, body }) =>
      c.json(present(await issueCredentials(services, credential, body)), 201),
  })

  route(api, {
    method: 'get',
    path: '/oss/credentials/{grant}',
    summary: 'As the auth-server providers of the Android and iOS SDKs read it',
    credentials: 'grantInPath',
    grantUse: 'credentials',
    answers: { 200: contract.mobileCredentials },
    headers: { 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' },
    // The SDKs read the body of 2xx answers only, so a refusal is 200, too.
    refuse: (c, { code, message }) =>
      c.json({ StatusCode: 500, ErrorCode: code, ErrorMessage: message }),
    handle: async (c, { services, credential }) => {
      const issued = await issueForGrant(services, credential)
      return c.json({
        StatusCode: 200,
        AccessKeyId: issued.accessKeyId,
        AccessKeySecret: issued.secretAccessKey,
        SecurityToken: issued.sessionToken,
        Expiration: issued.expiresAt.toISOString().replace('.000Z', 'Z'),
      })
    },
  })
}
